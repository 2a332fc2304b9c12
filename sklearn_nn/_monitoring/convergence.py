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
    text = shortfall(estimator, method, run)
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


def shortfall(estimator, method, run):
    """Return the warning that training has not converged, or None."""
    tol, worse = estimator.tol, ends_worse(run)
    if tol is None or run.ended_by in (EndedBy.INTERRUPT, EndedBy.MONITOR):
        return None
    # max_iter is the length of a cycle of learning rates.
    is_cycle = _parameters.has_cycle(estimator) and method.is_stepwise
    is_over = is_cycle and run.ended_by is EndedBy.MAX_ITER
    if (is_over or run.ended_by is EndedBy.CONVERGED) and not worse:
        return None
    reason = CYCLE_IS_OVER if is_over else REASONS[run.ended_by]
    reason = reason.format(max_iter=estimator.max_iter)
    if run.gap is not None:
        is_proven = run.gap.proven is not None and run.gap.proven <= tol
        if is_proven and run.ended_by in (EndedBy.MAX_ITER, EndedBy.STALLED):
            return None  # though steps could have gone on
        return newton_shortfall(run, method, reason, tol)
    unit, advice = method.unit, method.advice
    if run.ended_by is EndedBy.CONVERGED and method.is_stepwise:
        reason += f" (n_iter_no_change={estimator.n_iter_no_change})"
    text = f"{reason}: the last {unit} {improvement_of(estimator, method, run)}. "
    if worse:
        text += (
            f"The objective of the last {unit}, {run.last_objective:.3g}, is worse than "
            f"that of the first, {run.curves.objectives[0]:.3g}, and than the loss of "
            f"all-zero logits, {run.null_loss:.3g}: the learning rate may be too large for "
            "these features or this alpha. "
        )
        advice = method.remedy
    is_number = not isinstance(estimator.learning_rate, str)
    return text + advice.format(rate="learning_rate" if is_number else "learning_rate_init")


def improvement_of(estimator, method, run):
    """Return how the last epoch changed the criterion, beside tol.

    Numbers are shown only of improvements: an epoch is compared with the best one, and
    need not be better.
    """
    progress, tol = run.state.progress, f"tol={estimator.tol:g}"
    by_score = method.stops_early(estimator)
    criterion = "validation score" if by_score else "objective"
    if not method.is_stepwise:
        tol += " for the gradient"
    improvement, n_epochs = progress.last_improvement, progress.n_no_improvement
    if n_epochs and run.ended_by is EndedBy.MAX_ITER:  # n_iter_no_change was not reached
        is_adaptive = estimator.learning_rate == "adaptive"
        then = "the learning rate falls" if is_adaptive else "training ends"
        return (
            f"did not improve the {criterion}, with {tol}, and {then} after "
            f"n_iter_no_change={estimator.n_iter_no_change} such epochs in a row, of "
            f"which there were {n_epochs}"
        )
    if not isfinite(improvement):
        return f"improved the {criterion} by an unknown amount (the first), with {tol}"
    if improvement <= 0:
        return f"did not improve the {criterion}, with {tol}"
    return f"improved the {criterion} by {improvement:.3g}, with {tol}"


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
