"""Warnings of a training run: it has not converged, or ignores a parameter."""

import warnings
from math import isfinite

from sklearn.exceptions import ConvergenceWarning

from .. import _parameters
from .._engine.stopping import EndedBy

# Mini-batches make the objective noisy; a larger factor is not noise.
CLEARLY_WORSE = 1.1
# The loss of the whole training set has no such noise.
ABOVE_SHARES = 1.01

REASONS = {
    EndedBy.MAX_ITER: "max_iter={max_iter} was reached before convergence",
    EndedBy.MAX_FUN: "max_fun evaluations were made before convergence",
    EndedBy.STALLED: "no lower point was found along the search direction",
    EndedBy.SEPARABLE: "The classes are separable, and without a penalty there is no "
    "optimum: larger coefficients are always better",
    EndedBy.ROUNDING: "The optimum was reached, but a column of X has a mean that is much "
    "larger than its deviation: predictions from X as it is lose digits, and their loss "
    "differs by more than tol",
    EndedBy.CONVERGED: "The stopping rule ended training",
}
CYCLE_IS_OVER = "The cycle of learning rates is over"


def warn(estimator, method, run, stacklevel, loss_and_entropy=None):
    """Warn if training was interrupted, ended before it converged, or learned nothing.

    `stacklevel` is that of the user's call, seen from here. `loss_and_entropy` is a
    callable () -> final training loss, entropy of class shares; on a cluster there is none.
    """
    interrupted = interruption(run)
    if interrupted is not None:
        warnings.warn(interrupted, stacklevel=stacklevel)
    text = shortfall(
        run,
        method,
        estimator.max_iter,
        estimator.tol,
        by_score=method.stops_early(estimator),
        # max_iter is the length of the cycle.
        is_cycle=_parameters.has_cycle(estimator) and method.is_stepwise,
    )
    texts = [] if text is None else [text]
    if loss_and_entropy is not None and may_be_worse_than_shares(estimator, run):
        texts += worse_than_shares(*loss_and_entropy(), estimator.tol)
    if texts:
        warnings.warn(" ".join(texts), ConvergenceWarning, stacklevel=stacklevel)


def may_be_worse_than_shares(estimator, run):
    """Return whether the loss should be compared with that of class shares."""
    is_log_loss = getattr(estimator, "loss", "log_loss") == "log_loss"
    was_stopped = run.ended_by in (EndedBy.INTERRUPT, EndedBy.MONITOR)
    # Newton's method ends there only near the optimum.
    is_optimum = run.gap is not None and run.ended_by is EndedBy.CONVERGED
    return is_log_loss and estimator.tol is not None and not (was_stopped or is_optimum)


def worse_than_shares(loss, entropy, tol):
    """Return a list with the warning of a loss worse than the entropy, or without it."""
    # `tol` is the smallest difference that counts, if the entropy is almost 0.
    if loss <= ABOVE_SHARES * entropy + tol:
        return []
    text = (
        f"The final training loss, {loss:.3g}, is worse than that of predicting the share "
        f"of each class for all rows, {entropy:.3g}. The features may need scaling "
        "(StandardScaler), or the learning rate may be too large."
    )
    return [text]


def warn_of_ignored(estimator, method, stacklevel):
    """Warn if a parameter was set that the method does not read.

    `stacklevel` is that of the user's call, seen from this function.
    """
    names = method.ignored(estimator)
    if not names:
        return
    values = ", ".join(f"{name}={getattr(estimator, name)!r}" for name in names)
    text = (
        f"{values} has no effect with learning_rate='auto'. To use it, set learning_rate "
        "to a number or a schedule ('constant', say)"
    )
    if names == ["n_iter_no_change"]:
        text = f"{values} has no effect without a learning rate or early_stopping=True"
    warnings.warn(f"{text}.", UserWarning, stacklevel=stacklevel)


def interruption(run):
    """Return the warning after Ctrl-C, or None if there was none."""
    if run.ended_by is not EndedBy.INTERRUPT:
        return None
    n_epochs = len(run.curves.objectives)
    return f"Training was interrupted after {n_epochs} finished epochs."


def shortfall(run, method, max_iter, tol, by_score=False, is_cycle=False):
    """Return the warning that training has not converged, or None.

    `by_score` tells whether the stopping rule judged a validation score, and `is_cycle`
    whether `max_iter` is the length of a cycle of learning rates.
    """
    worse = ends_worse(run)
    if tol is None or run.ended_by in (EndedBy.INTERRUPT, EndedBy.MONITOR):
        return None
    is_over = is_cycle and run.ended_by is EndedBy.MAX_ITER
    if (is_over or run.ended_by is EndedBy.CONVERGED) and not worse:
        return None
    reason = CYCLE_IS_OVER if is_over else REASONS[run.ended_by]
    reason = reason.format(max_iter=max_iter)
    if run.gap is not None:
        is_proven = run.gap.proven is not None and run.gap.proven <= tol
        if is_proven and run.ended_by in (EndedBy.MAX_ITER, EndedBy.STALLED):
            return None  # though steps could have gone on
        return newton_shortfall(run, method, reason, tol)
    unit, improvement = method.unit, last_improvement(run)
    criterion = "validation score" if by_score else "objective"
    text = f"{reason}: the last {unit} improved the {criterion} "
    of_gradient = "" if method.is_stepwise else " for the gradient"
    text += f"by {improvement}, with tol={tol:g}{of_gradient}. "
    if worse:
        text += (
            f"The objective of the last {unit}, {run.last_objective:.3g}, is worse than "
            f"that of the first, {run.curves.objectives[0]:.3g}, and than the loss of "
            f"all-zero logits, {run.null_loss:.3g}: the learning rate may be too large for "
            "these features or this alpha. "
        )
    return text + method.advice


def newton_shortfall(run, method, reason, tol):
    """Return the warning that learning_rate='auto' has not converged."""
    if run.ended_by is EndedBy.SEPARABLE:
        loss = f"Training stopped at a loss of {run.last_objective:.3g}."
        return f"{reason}. {loss} Set alpha > 0, with a penalty."
    if run.ended_by is EndedBy.ROUNDING:
        return f"{reason}. Subtract the means of columns (StandardScaler), or pass float64."
    gap = run.gap.estimated
    return (
        f"{reason}: the estimated relative gap to the optimum is {gap:.3g}, with "
        f"tol={tol:g}. {method.advice}"
    )


def ends_worse(run):
    """Return whether the last objective is far above the first and the null loss."""
    if not run.curves.objectives:
        return False
    return run.last_objective > CLEARLY_WORSE * max(run.null_loss, run.curves.objectives[0])


def last_improvement(run):
    """Return the last improvement as text; a single epoch has none."""
    improvement = run.state.progress.last_improvement
    return (
        f"{improvement:.3g}" if isfinite(improvement) else "an unknown amount (the first)"
    )
