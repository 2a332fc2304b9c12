"""What the end of a training run means to a user: nothing, or a warning."""

from math import isfinite

# Steps on mini-batches make the objective noisy; beyond this factor it is no noise.
CLEARLY_WORSE = 1.1

REASONS = {
    "cycle": "The cycle of learning rates is over",
    "max_iter": "max_iter={max_iter} was reached before convergence",
    "max_fun": "max_fun evaluations were made before convergence",
    "stalled": "no lower point was found along the search direction",
    "separable": "The rows can be told apart without error, and without a penalty there is "
    "no optimum: larger coefficients are always better",
}
ADVICE = {
    "lbfgs": "Raise max_iter and max_fun, accept more (tol), or scale the features.",
    "epochs": (
        "Train longer (max_iter), accept less (tol), take other steps "
        "(learning_rate_init), or scale the features."
    ),
}


def interruption(run):
    """Return the warning after Ctrl-C, or None if there was none."""
    if run.ended_by != "interrupt":
        return None
    n_epochs = len(run.curves.objectives)
    return f"Training was interrupted; the model is that of {n_epochs} finished epochs."


def shortfall(run, max_iter, tol, criterion, by_lbfgs):
    """Return the warning that training has not reached its goal, or None.

    Parameters
    ----------
    run : TrainingRun
    max_iter : int
    tol : float, or None for a user who wants no stopping rule and no warning
    criterion : str
        What the stopping rule looked at.
    by_lbfgs : bool
    """
    worse = ends_worse(run)
    if tol is None or run.ended_by in ("interrupt", "monitor"):
        return None
    if run.ended_by in ("stopping_rule", "cycle") and not worse:
        return None
    reason = REASONS.get(run.ended_by, "The stopping rule ended training")
    if run.gap is not None:
        if run.ended_by in ("max_iter", "stalled") and run.gap <= tol:
            return None
        return newton_shortfall(run, reason.format(max_iter=max_iter), tol)
    unit, improvement = "iteration" if by_lbfgs else "epoch", last_improvement(run)
    text = f"{reason.format(max_iter=max_iter)}: the last {unit} improved the {criterion} "
    text += f"by {improvement}, with tol={tol:g}. "
    if worse:
        text += (
            f"The last {unit}'s objective, {run.last_loss:.3g}, is worse than the first's, "
            f"{run.curves.objectives[0]:.3g}, and than that of zero logits, "
            f"{run.zero_logits_loss:.3g}: the steps may be too long for these features or "
            "this alpha. "
        )
    return text + ADVICE["lbfgs" if by_lbfgs else "epochs"]


def newton_shortfall(run, reason, tol):
    """Return the warning that learning_rate='auto' has not reached its goal."""
    if run.ended_by == "separable":
        loss = f"training has stopped at a loss of {run.last_loss:.3g}"
        return f"{reason}. Set alpha > 0 (with a penalty); {loss}."
    return (
        f"{reason}: the objective is estimated to be {run.gap:.3g} of itself above its "
        f"optimum, with tol={tol:g}. Train longer (max_iter) or accept more (tol)."
    )


def ends_worse(run):
    """Say whether training has lost what it began with, and what all zeros would give."""
    if not run.curves.objectives:
        return False
    began = max(run.zero_logits_loss, run.curves.objectives[0])
    return run.last_loss > CLEARLY_WORSE * began


def last_improvement(run):
    """Return the last improvement as text; a single epoch has nothing to compare with."""
    improvement = run.state.progress.last_improvement
    return (
        f"{improvement:.3g}" if isfinite(improvement) else "an unknown amount (the first)"
    )
