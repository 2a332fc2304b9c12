"""Random generators, whose states are kept between calls."""

import numpy as np


def generator_at(random_state):
    """Return a RandomState in the state that `get_state` of another has returned."""
    rng = np.random.RandomState(0)  # any seed: the state replaces it
    rng.set_state(random_state)
    return rng
