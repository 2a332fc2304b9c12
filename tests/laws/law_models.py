"""The grid of models that the laws are tested on, and functions that compare models."""

import warnings

import numpy as np
import pytest
from methods import textbook_logistic
from sklearn.exceptions import ConvergenceWarning

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

# The grid of law 1: everything that keeps memory between epochs, alone and combined.
LOGISTIC = {
    "nesterov": {},
    "plain": {"momentum": 0, "batch_size": 1},
    "polyak": {"nesterovs_momentum": False, "batch_size": 16},
    "adam": {"solver": "adam", "batch_size": 16},
    "adam_l1": {"solver": "adam", "penalty": "l1", "alpha": 0.01, "batch_size": 16},
    "momentum_elasticnet": {"penalty": "elasticnet", "alpha": 0.01, "batch_size": 7},
    "average": {"average": True, "batch_size": 16},
    "average_later": {"average": 12, "batch_size": 16, "solver": "adam"},
    "invscaling": {"learning_rate": "invscaling", "batch_size": 16},
    "adaptive": {"learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 2},
    "cosine": {"learning_rate": "cosine", "batch_size": 16, "warmup_fraction": 0.2},
    "one_cycle": {"learning_rate": "one_cycle", "shuffle": False, "batch_size": 16},
    "number": {"learning_rate": 0.02, "batch_size": 16},
    "full_batch": {"batch_size": "full"},
    "no_shuffle": {"shuffle": False, "batch_size": 16},
    "no_intercept": {"fit_intercept": False, "penalty": None, "batch_size": 16},
    "class_weight": {"class_weight": {0: 2.0, 1: 1.0}, "batch_size": 16},
}
MLP = {
    "default": {},
    "adam_batches": {"batch_size": 16, "activation": "tanh"},
    "sgd": {"solver": "sgd", "batch_size": 16, "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "adam",
        "learning_rate": "adaptive",
        "tol": 0.02,
        "n_iter_no_change": 2,
        "learning_rate_init": 0.01,
    },
    "deep": {"hidden_layer_sizes": (5, 4, 3), "activation": "logistic", "batch_size": 9},
    "mixed": {"hidden_layer_sizes": (5, 4), "activation": ["gelu", "elu"], "batch_size": 9},
    "squared": {"loss": "squared_error", "batch_size": 16, "solver": "sgd"},
    "linear": {"hidden_layer_sizes": (), "batch_size": 16},
    "adamw": {"solver": "adamw", "alpha": 0.1, "batch_size": 16},
    "clipped_sgd": {"solver": "sgd", "max_gradient_norm": 0.3, "batch_size": 16},
    "clipped_adamw": {"solver": "adamw", "max_gradient_norm": 0.3, "batch_size": 16},
    "cosine": {"learning_rate": "cosine", "shuffle": False},
    "one_cycle": {"learning_rate": "one_cycle", "batch_size": 16},
    "he": {"init": "he", "batch_size": 16},
}
CONFIGURATIONS = [
    pytest.param(textbook_logistic, parameters, id=f"logistic-{name}")
    for name, parameters in LOGISTIC.items()
] + [
    pytest.param(
        BackpropMLPClassifier, {"hidden_layer_sizes": (8,), **parameters}, id=f"mlp-{name}"
    )
    for name, parameters in MLP.items()
]

every_configuration = pytest.mark.parametrize(
    ("estimator_class", "parameters"), CONFIGURATIONS
)

# Without a learning rate.
AUTO = {
    "default": {},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "elasticnet": {"penalty": "elasticnet", "alpha": 0.01},
    "no_intercept": {"fit_intercept": False},
    "class_weight": {"class_weight": {0: 2.0, 1: 1.0, 2: 3.0}},
}
every_auto = pytest.mark.parametrize("parameters", AUTO.values(), ids=AUTO)
either_method = pytest.mark.parametrize(
    ("estimator_class", "parameters"),
    [
        *CONFIGURATIONS,
        *(
            pytest.param(SGDLogisticClassifier, parameters, id=f"auto-{name}")
            for name, parameters in AUTO.items()
        ),
    ],
)
either_seed = pytest.mark.parametrize(
    "seed", [lambda: 3, lambda: np.random.RandomState(3)], ids=["int", "RandomState"]
)
either_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])

N_EPOCHS = 8


def parameters_of(model):
    """Return all fitted parameters of a model as one vector."""
    if hasattr(model, "coef_"):
        return np.concatenate([model.coef_.ravel(), model.intercept_])
    return np.concatenate([p.ravel() for p in model.coefs_ + model.intercepts_])


def fit(model, *args, **kwargs):
    """Fit a model, ignoring the warning that it has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


def assert_same_model(a, b, X, y, weight):
    """Assert that two models are equal to the last bit, now and after one more epoch."""
    for _ in range(2):
        np.testing.assert_array_equal(parameters_of(a), parameters_of(b), strict=True)
        assert a.loss_curve_ == b.loss_curve_
        assert a.best_loss_ == b.best_loss_
        assert a.t_ == b.t_
        a.partial_fit(X, y, sample_weight=weight)
        b.partial_fit(X, y, sample_weight=weight)
