"""Classifiers for tables: ours, and those of other packages, by their defaults."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_nn import BackpropMLPClassifier, BackpropMLPClassifierCV

OURS, BASELINE = "BackpropMLPClassifierCV", "HistGradientBoosting"
CATEGORICAL = make_column_selector(dtype_include="category")
NUMERIC = make_column_selector(dtype_exclude="category")


def scaled(classifier):
    """Return the classifier behind a scaler and a one-hot encoder."""
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMERIC),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORICAL),
    )
    return make_pipeline(encoder, classifier)


def ours(seed, frame):
    """Return our network that needs no tuning."""
    return BackpropMLPClassifierCV(random_state=seed)


def hist_gradient_boosting(seed, frame):
    """Return scikit-learn's trees."""
    return HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    )


def scaled_mlp(seed, frame):
    """Return scikit-learn's network on scaled columns."""
    return scaled(MLPClassifier(random_state=seed))


def scaled_backprop(seed, frame):
    """Return our plain network on scaled columns."""
    return scaled(BackpropMLPClassifier(random_state=seed))


def logistic_regression(seed, frame):
    """Return scikit-learn's linear model on scaled columns."""
    return scaled(LogisticRegression(max_iter=1000))


def catboost(seed, frame):
    """Return CatBoost, with categories."""
    categorical = CATEGORICAL(frame)
    return FrameOfStrings(
        import_module("catboost").CatBoostClassifier(
            cat_features=categorical,
            random_seed=seed,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        ),
        categorical,
    )


class FrameOfStrings:
    """A classifier that takes categories as strings."""

    def __init__(self, classifier, categorical):
        self.classifier, self.categorical = classifier, categorical

    def converted(self, X):
        """Return the frame with strings instead of categories."""
        return X.astype(dict.fromkeys(self.categorical, str))

    def fit(self, X, y):
        """Fit the classifier."""
        self.classifier.fit(self.converted(X), y)
        return self

    def predict_proba(self, X):
        """Return the probabilities."""
        return self.classifier.predict_proba(self.converted(X))


def lightgbm(seed, frame):
    """Return LightGBM, which takes categories of pandas."""
    return import_module("lightgbm").LGBMClassifier(
        random_state=seed, n_jobs=1, verbosity=-1
    )


def xgboost(seed, frame):
    """Return XGBoost, with categories."""
    return import_module("xgboost").XGBClassifier(
        enable_categorical=True, random_state=seed, n_jobs=1
    )


def pytabkit(name, **parameters):
    """Return the function (seed, frame) -> classifier of this name in pytabkit."""

    def make(seed, frame):
        classifier = getattr(import_module("pytabkit"), name)
        return classifier(random_state=seed, device="cpu", n_threads=1, **parameters)

    return make


# Name: (function of a seed and a frame, package that it needs).
PEERS = {
    OURS: (ours, "sklearn_nn"),
    BASELINE: (hist_gradient_boosting, "sklearn"),
    "scaled MLPClassifier": (scaled_mlp, "sklearn"),
    "scaled BackpropMLPClassifier": (scaled_backprop, "sklearn_nn"),
    "scaled LogisticRegression": (logistic_regression, "sklearn"),
    "CatBoost": (catboost, "catboost"),
    "LightGBM": (lightgbm, "lightgbm"),
    "XGBoost": (xgboost, "xgboost"),
    "RealMLP_TD_S": (pytabkit("RealMLP_TD_S_Classifier"), "pytabkit"),
    "RealMLP_TD_S, 5 folds": (pytabkit("RealMLP_TD_S_Classifier", n_cv=5), "pytabkit"),
    "TabM": (pytabkit("TabM_D_Classifier"), "pytabkit"),
}


def installed_peers() -> list[str]:
    """Return the names of the classifiers whose packages are installed."""
    return [name for name, (_, package) in PEERS.items() if find_spec(package)]


def probabilities(classifier, X):
    """Return probabilities in float64 whose rows sum to 1."""
    proba = np.asarray(classifier.predict_proba(X), dtype=np.float64)
    return proba / proba.sum(axis=1, keepdims=True)
