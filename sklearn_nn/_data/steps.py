"""The classifier at the end of a pipeline or of a search, and the steps before it."""

from typing import Any, NamedTuple

from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import check_is_fitted

from .._engine.arrays import Vector


class Steps(NamedTuple):
    """What a user's estimator consists of."""

    transformer: Pipeline | None  # the steps before the classifier
    classifier: BaseEstimator

    def transformed(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Return the rows that the classifier gets.

        If the classifier is not fitted, a copy of the steps before it is fitted, as `fit`
        of the pipeline would.
        """
        if self.transformer is None:
            return X
        if is_fitted(self.classifier):
            # A pipeline itself would ask whether its last step is fitted, which a step
            # without fitted attributes cannot tell.
            for _, step in self.transformer.steps:
                X = step.transform(X)
            return X
        weights = weights_for(self.transformer, sample_weight)
        return clone(self.transformer).fit_transform(X, y, **weights)

    def feature_names(self) -> Vector | None:
        """Return the names of the fitted classifier's features, None if they have none."""
        names = getattr(self.classifier, "feature_names_in_", None)
        if names is not None or self.transformer is None:
            return names
        try:
            return self.transformer.get_feature_names_out()
        except AttributeError:  # a step does not name its columns
            return None


def steps_of(estimator: BaseEstimator) -> Steps:
    """Return the Steps of a classifier, a pipeline of steps, or a fitted search of one.

    Raise NotFittedError if a search has no best estimator.
    """
    if hasattr(estimator, "best_estimator_"):
        return steps_of(estimator.best_estimator_)
    if hasattr(estimator, "refit") and hasattr(estimator, "estimator"):
        raise NotFittedError(
            f"This {type(estimator).__name__} has no best_estimator_. Fit it with "
            "refit=True, or pass its estimator."
        )
    if not isinstance(estimator, Pipeline):
        return Steps(None, estimator)
    inner = steps_of(estimator.steps[-1][1])
    before = [step for _, step in estimator.steps[:-1] if step not in (None, "passthrough")]
    if inner.transformer is not None:
        before += [step for _, step in inner.transformer.steps]
    if not before:
        return inner
    named = [(f"step {number}", step) for number, step in enumerate(before)]
    return Steps(Pipeline(named, memory=estimator.memory), inner.classifier)


def is_fitted(estimator: BaseEstimator) -> bool:
    """Return whether the estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def weights_for(transformer: Pipeline, sample_weight: ArrayLike | None) -> dict:
    """Return the weights as arguments for the steps that request them.

    Without metadata routing, the weights of a pipeline are those of its last step.
    """
    if sample_weight is None or not get_config()["enable_metadata_routing"]:
        return {}
    router = get_routing_for_object(transformer)
    requested = router.consumes("fit_transform", ["sample_weight"])
    return {"sample_weight": sample_weight} if requested else {}
