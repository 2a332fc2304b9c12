"""When to stop, when to lower the learning rate, and which epoch was the best."""

from dataclasses import dataclass, replace
from enum import Enum

from .types import Progress, TrainingState

# Smaller rates change nothing visible; the value is MLPClassifier's.
MIN_ADAPTIVE_RATE = 1e-6
ADAPTIVE_DIVISOR = 5.0  # of MLPClassifier and SGDClassifier


class Decision(Enum):
    """Decision of the stopping rule after an epoch."""

    CONTINUE = "continue"
    LOWER_RATE = "lower the learning rate"
    STOP = "stop"


class EndedBy(Enum):
    """Why training ended. Checkpoints hold the value."""

    MAX_ITER = "max_iter"  # all requested epochs are done
    CONVERGED = "converged"  # by the stopping rule, by Newton's tol, or as scipy judges
    MONITOR = "monitor"
    INTERRUPT = "interrupt"  # Ctrl-C
    MAX_FUN = "max_fun"  # L-BFGS: maximum number of evaluations
    STALLED = "stalled"  # L-BFGS and Newton: no lower point found
    ROUNDING = "rounding"  # Newton: predictions lose the digits of the optimum
    SEPARABLE = "separable"  # Newton: there is no optimum


@dataclass(frozen=True)
class StoppingRule:
    """Stop after `n_iter_no_change` epochs in a row without an improvement of `tol`."""

    tol: float  # >= 0, or -inf for a rule that never stops
    n_iter_no_change: float  # integer >= 1 or inf
    lowers_rate: bool = False  # whether to divide the rate instead, while it is above 1e-6

    def judge(self, progress: Progress, criteria: list, learning_rate: float):
        """Return the new Progress and the Decision after one or several epochs.

        `criteria` are the objectives of the epochs, or minus their validation scores: lower
        is better. `learning_rate` is that of the last step. Also return the number of
        epochs up to the first decision that is not to continue.
        """
        best, n_no_improvement, n_judged = progress.best, progress.n_no_improvement, 0
        tol, limit = self.tol, self.n_iter_no_change
        for criterion in criteria:  # short: there may be a million per second
            n_judged += 1
            last_improvement = best - criterion
            n_no_improvement = n_no_improvement + 1 if criterion > best - tol else 0
            if criterion < best:
                best = criterion
            if n_no_improvement >= limit:
                break
        decision, rate_factor = Decision.CONTINUE, progress.rate_factor
        if n_no_improvement >= limit:
            decision = Decision.STOP
            if self.lowers_rate and learning_rate > MIN_ADAPTIVE_RATE:
                decision = Decision.LOWER_RATE
                rate_factor /= ADAPTIVE_DIVISOR
                n_no_improvement = 0
        progress = progress._replace(
            best=best,
            n_no_improvement=n_no_improvement,
            last_improvement=last_improvement,
            rate_factor=rate_factor,
        )
        return progress, decision, n_judged


def with_first_candidate(state: TrainingState, validate) -> TrainingState:
    """Return the state of a resumed model with its parameters as the best so far.

    So a model that has been trained does not end with worse parameters than it had. Their
    score is that on the present validation rows, which may differ from those of the last
    call.
    """
    if state.epoch == 0:
        return state
    theta = state.progress.best_theta
    theta = state.averaged_theta if theta is None else theta
    best = -validate(theta).score
    return replace(state, progress=state.progress._replace(best=best, best_theta=theta))


def with_best_theta(state: TrainingState, before: Progress) -> TrainingState:
    """Return the state with its parameters as the best if it improves on `before`."""
    if not state.progress.best < before.best:
        return state
    progress = state.progress._replace(
        best_theta=state.averaged_theta, best_epoch=state.epoch
    )
    return replace(state, progress=progress)
