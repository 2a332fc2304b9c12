"""All optimizers of the registry, for tests of every optimizer."""

import itertools

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.epochs.optimizers import OPTIMIZERS, WITH_DECAY
from sklearn_nn._parameters import argument_names, optimizer_of

# Constructor parameters that belong to optimizers.
PARAMETERS = sorted({n for make in OPTIMIZERS.values() for n in argument_names(make)})
# Solvers of BackpropMLPClassifier and of SGDLogisticClassifier.
SOLVERS = sorted(OPTIMIZERS)
LINEAR_SOLVERS = sorted(OPTIMIZERS.keys() - WITH_DECAY)


def every_optimizer():
    """Return one optimizer of each kind, with the estimator's default parameters."""
    choices = itertools.product(OPTIMIZERS, (0.0, 0.9), (False, True))
    made = [
        optimizer_of(BackpropMLPClassifier(solver=s, momentum=m, nesterovs_momentum=n))
        for s, m, n in choices
    ]
    return list(dict.fromkeys(made))
