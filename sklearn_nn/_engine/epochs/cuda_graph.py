"""Epochs in a CUDA graph, for tensors of PyTorch on a CUDA device.

A step of a network of usual size is dozens of small operations, and a GPU computes most of
them faster than Python starts them. PyTorch records the operations of one step; then
one call replays all of them.
"""

import threading
import warnings

import numpy as np
from scipy.sparse import issparse

from ..arrays import library
from . import static_steps
from .static_steps import StaticSteps

# The steps of a run must repay the recording: a step before it, and some 10 milliseconds.
# A replay saves the time in which the GPU waits for Python to start operations: up to
# a millisecond per step.
MIN_STEPS = 50
# Python starts the operations of a step with more multiplications than this while the GPU
# computes matrix products: about four milliseconds on an H200, where a step of 5e11 took 20
# in float32. So a replay saves nothing, and would only keep memory.
MOST_MULTIPLICATIONS = 1e11
# The masks of dropout of an epoch are on the device at once, if they have at most this many
# bytes: one for each row and hidden unit.
LARGEST_MASKS = 2**29
# Only one recording may be under way in a process.
RECORDING = threading.Lock()
# The stream of recordings on each device: cuBLAS keeps a work space for each stream.
STREAMS = {}


class GraphedEpochs:
    """Epochs whose steps are replayed; its memory is released with the object."""

    def __init__(self, problem, settings, data, n_epochs):
        self.static = StaticSteps(problem, settings, data)
        n_full = n_epochs * self.static.n_full
        self.full_step = replay_of(self.static, self.static.full_step, n_full)
        n_last = n_epochs * (self.static.n_rest > 0)
        self.last_step = replay_of(self.static, self.static.last_step, n_last)

    def run_epoch(self, state, order, learning_rates, meanwhile=None):
        """Return the result of `reference.run_epoch`; see `static_steps.run_epoch`."""
        steps = self.full_step, self.last_step
        return static_steps.run_epoch(
            self.static, steps, state, order, learning_rates, meanwhile
        )


def graphed_epochs(problem, settings, data, n_epochs) -> GraphedEpochs | None:
    """Return the GraphedEpochs of a run of `n_epochs`, or None if none can be or pays."""
    if not is_on_cuda(data.X) or not pays(problem, settings, data.n_samples, n_epochs):
        return None
    try:
        return GraphedEpochs(problem, settings, data, n_epochs)
    except RuntimeError as error:
        warnings.warn(
            "The training step could not be recorded as a CUDA graph. Training runs its "
            "operations one by one: the same result, but slower. PyTorch: "
            + str(error).split("\n")[0],
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def pays(problem, settings, n_samples, n_epochs) -> bool:
    """Return whether replays repay the recording, and the masks of dropout fit."""
    architecture = problem.architecture
    n_units = sum(architecture.layer_sizes[1:-1]) if any(settings.dropout) else 0
    batch_size = min(settings.batch_size, n_samples)
    # Three products per layer: forward, and backward to its weights and to its input.
    multiplications = 3 * batch_size * architecture.n_weights
    return (
        n_epochs * (n_samples // batch_size) >= MIN_STEPS
        and multiplications <= MOST_MULTIPLICATIONS
        and n_samples * n_units <= LARGEST_MASKS
    )


def is_on_cuda(X) -> bool:
    """Return whether the rows are a tensor of PyTorch on a CUDA device."""
    if isinstance(X, np.ndarray) or issparse(X) or library(X) != "torch":
        return False
    return X.device.type == "cuda"


def replay_of(static, step, n_steps):
    """Return a callable that replays `step`, or `step` itself if that does not pay.

    The buffers of `static` change: a step is taken before the recording, in which libraries
    allocate their work space.
    """
    if n_steps < MIN_STEPS:
        return step
    import torch

    device = static.data.X.device
    with RECORDING, torch.cuda.device(device):
        if device not in STREAMS:
            STREAMS[device] = torch.cuda.Stream()
        stream = STREAMS[device]
        stream.wait_stream(torch.cuda.current_stream())
        # If the recording fails, PyTorch stays in its stream until this block ends.
        with torch.cuda.stream(stream):
            static.rewind()
            step()
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the device meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                step()
        torch.cuda.current_stream().wait_stream(stream)
    return graph.replay
