"""When to stop, and when to lower the learning rate."""

from dataclasses import dataclass, replace
from enum import Enum

# A rate this small changes nothing visible any more; the value is MLPClassifier's.
SMALLEST_ADAPTIVE_RATE = 1e-6
ADAPTIVE_DIVISOR = 5.0  # MLPClassifier's and SGDClassifier's


class Decision(Enum):
    """What follows from an epoch's criterion."""

    GO_ON = "go on"
    LOWER_RATE = "lower the learning rate"
    STOP = "stop"


class EndedBy(Enum):
    """Why training ended. Checkpoints hold the value."""

    MAX_ITER = "max_iter"  # all epochs that were asked for are done
    STOPPING_RULE = "stopping_rule"
    MONITOR = "monitor"
    INTERRUPT = "interrupt"  # Ctrl-C
    MAX_FUN = "max_fun"  # of L-BFGS
    STALLED = "stalled"  # of L-BFGS and Newton: no lower point was found
    SEPARABLE = "separable"  # of Newton: there is no optimum


@dataclass(frozen=True)
class StoppingRule:
    """Stop after `n_iter_no_change` epochs in a row without an improvement of `tol`.

    Parameters
    ----------
    tol : float >= 0, or -inf for a rule that never stops
    n_iter_no_change : int >= 1 or inf
    lowers_rate : bool
        Whether the learning rate is divided by 5 instead, while it is above 1e-6.
    """

    tol: float
    n_iter_no_change: float
    lowers_rate: bool = False

    def follow(self, progress, criteria, learning_rate):
        """Return the new progress and the decision after one epoch or several.

        Parameters
        ----------
        progress : Progress
        criteria : list of float
            Of each epoch its objective, or minus its validation score: lower is better.
        learning_rate : float
            Of the last step.

        Returns
        -------
        progress : Progress
        decision : Decision
        n_judged : int
            Number of epochs up to the first decision that is not to go on.
        """
        best, n_no_improvement, n_judged = progress.best, progress.n_no_improvement, 0
        tol, limit = self.tol, self.n_iter_no_change
        for criterion in criteria:  # a few words each: there may be a million a second
            n_judged += 1
            last_improvement = best - criterion
            n_no_improvement = n_no_improvement + 1 if criterion > best - tol else 0
            if criterion < best:
                best = criterion
            if n_no_improvement >= limit:
                break
        decision, rate_factor = Decision.GO_ON, progress.rate_factor
        if n_no_improvement >= limit:
            decision = Decision.STOP
            if self.lowers_rate and learning_rate > SMALLEST_ADAPTIVE_RATE:
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


def with_first_candidate(state, validate):
    """Return the state with its parameters as the best so far, if training goes on.

    A model that has been trained must not end with worse parameters than it had. Their
    score is that on the present validation rows, which need not be those of the last call.
    """
    if state.epoch == 0:
        return state
    theta = state.progress.best_theta
    theta = state.averaged_theta if theta is None else theta
    best = -validate(theta).score
    return replace(state, progress=state.progress._replace(best=best, best_theta=theta))


def with_best_theta(state, before):
    """Return the state with its parameters as the best if its score is better.

    Better than the best in `before`, the Progress of the epoch before.
    """
    if not state.progress.best < before.best:
        return state
    progress = state.progress._replace(
        best_theta=state.averaged_theta, best_epoch=state.epoch
    )
    return replace(state, progress=progress)
