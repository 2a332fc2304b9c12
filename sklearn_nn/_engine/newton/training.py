"""Training by Newton steps: when they end, and what is known then.

steps.py takes the steps, and explains them.
"""

from dataclasses import replace

import numpy as np

from .. import loop
from ..objective.problem import Problem
from ..stopping import EndedBy
from ..types import Gap, TrainingRun, TrainingState
from .certificate import Certificate, certificate_of
from .coordinates import Coordinates
from .linear_rows import LinearRows
from .model import ModelMinimum, NewtonProblem
from .quasi_newton import begins_with_lbfgs, quasi_newton_step
from .records import KnownRows, NewtonMemory, NewtonSettings
from .steps import (
    Goal,
    Position,
    exact_goal,
    first_position,
    newton_problem_of,
    refine_model,
    step,
)

# Predictions are compared if the mean of a column, in its deviations, loses this much.
MAY_LOSE_DIGITS = 1e-5
# Where steps end at rounding error, a relative gap up to this one can be proven.
SMALLEST_GAP = 1e-10
# A loss without penalty counts as 0 below this part of the null loss, or below `tol` of it.
ZERO_LOSS = 1e-8


def train_with_newton(
    problem: Problem,
    settings: NewtonSettings,
    state: TrainingState,
    rows: LinearRows,
    n_steps: int,
    validate=None,
    monitor=None,
) -> TrainingRun:
    """Train a model without hidden layer with at most `n_steps` steps; see `loop.run`.

    The state needs a NewtonMemory. The curve holds the objective before each step, on the
    sample of the step.
    """
    training = NewtonTraining(problem, settings, rows)
    return loop.run(training, state, n_steps, validate, monitor)


def resumed_memory(memory, *unused) -> NewtonMemory:
    """Return the NewtonMemory to resume with, empty if another method trained before.

    `unused` are arguments that `epochs.train.resumed_memory` needs.
    """
    return memory if isinstance(memory, NewtonMemory) else NewtonMemory()


def end_of(newton: NewtonProblem, goal: Goal, exact: Goal | None, null_loss):
    """Return why training should end here, as EndedBy or None, and the Certificate or None.

    `goal` is that of the next step, and `exact` one of the complete model, if there is one.
    """
    evaluated, penalty = goal.position.evaluated, newton.problem.penalty
    objective, rounding = evaluated.objective, evaluated.rounding(newton)
    if evaluated.n_rows < newton.n_samples:
        return None, None
    is_fitted = objective <= max(newton.tol, ZERO_LOSS) * null_loss
    if is_fitted and not (penalty.l1 or penalty.l2):
        # A misclassified row adds at least its weight times log 2.
        least = newton.rows.least_weight * np.log(2)
        if objective * newton.n_samples < least:
            return EndedBy.SEPARABLE, None
    if exact is None:
        return None, None
    # Gradients are more accurate than objectives: a decrease below the objective's rounding
    # error is meaningful as long as it keeps falling.
    decrease, falls = exact.decrease, exact.decrease < goal.position.last_decrease / 4
    is_rounding = decrease <= rounding
    falls = falls and not (is_rounding and decrease * objective <= rounding * rounding)
    certificate = certificate_of(newton, evaluated, exact.minimum)
    # With few rows, steps go on as long as they make the model much more exact.
    needed = newton.final_tol if newton.tol or not falls else 0.0
    if certificate.is_within(needed * objective) or (is_rounding and not falls):
        is_within = certificate.is_within(largest_gap(newton, objective))
        return (EndedBy.CONVERGED if is_within else EndedBy.STALLED), certificate
    return None, certificate


def largest_gap(newton: NewtonProblem, objective: float) -> float:
    """Return the gap in nats at which training that cannot go on has converged."""
    return max(newton.final_tol, newton.relative_rounding, SMALLEST_GAP) * objective


class NewtonTraining:
    """Newton steps, as the Training that `loop.run` drives."""

    def __init__(self, problem, settings, rows):
        self.problem, self.settings, self.rows = problem, settings, rows
        self.stopping_rule = settings.stopping_rule
        self.early_stopping = settings.stopping_rule is not None
        self.null_loss = problem.null_loss
        self.newton = None  # NewtonProblem
        self.goal, self.exact = None, None  # of the next step, or the last one
        self.next_position = None  # after the last step, not refined
        self.begins_with_lbfgs = False  # whether the next step is that of L-BFGS
        self.certificate = None  # of the position, if there is one
        self.lower_bound = -np.inf  # of the objective on all rows, the best one so far

    @np.errstate(**loop.QUIET)
    def begin(self, state):
        """Find the Position of the first step."""
        self.newton = newton_problem_of(
            self.problem, self.settings, self.rows, state.random_state
        )
        position = first_position(self.newton, state)
        if begins_with_lbfgs(self.newton, position):
            # Not refined: the objective bounds what it can fall.
            objective = position.evaluated.objective
            minimum = ModelMinimum(position.evaluated.point, objective)
            self.goal, self.begins_with_lbfgs = Goal(position, minimum), True
        else:
            self.refine(position)

    def refine(self, position):
        """Find a Goal that is worthwhile, from this position on."""
        self.goal, self.exact = refine_model(self.newton, position, self.null_loss)

    @np.errstate(**loop.QUIET)
    def reason_to_end(self, state):
        """Return EndedBy if the last step or the next one proves convergence, or None.

        A lower bound from before the last step may prove it. Else the position after this
        step is refined.
        """
        if state.theta is not self.goal.position.theta:
            evaluated = self.next_position.evaluated
            gap = evaluated.objective - self.lower_bound + evaluated.rounding(self.newton)
            if gap <= self.newton.tol * evaluated.objective:
                self.goal = self.goal._replace(position=self.next_position)
                self.certificate = Certificate(gap, np.inf)
                return self.end_as_predicted(state.theta)
            self.refine(self.next_position)
        found = end_of(self.newton, self.goal, self.exact, self.null_loss)
        ended_by, self.certificate = found
        if self.certificate is not None:
            bound = self.goal.position.evaluated.objective - self.certificate.proven
            self.lower_bound = max(self.lower_bound, bound)
        if ended_by is EndedBy.CONVERGED:
            return self.end_as_predicted(state.theta)
        return ended_by

    def end_as_predicted(self, theta):
        """Return EndedBy.CONVERGED, or ROUNDING if predictions do not have this objective.

        Predictions use X as it is. If a column's mean is much larger than its deviation,
        sums of products lose digits that standardised coordinates keep.
        """
        centre, scale = self.newton.coordinates
        lost = np.finfo(theta.dtype).eps * np.max(np.abs(centre) / scale, initial=0.0)
        if lost < MAY_LOSE_DIGITS:
            return EndedBy.CONVERGED
        evaluated = self.goal.position.evaluated
        raw = Coordinates(np.zeros_like(centre), np.ones_like(scale))
        loss = self.rows.evaluate(raw, raw.point_of(theta)).loss
        excess = loss - evaluated.evaluation.loss
        allowed = largest_gap(self.newton, evaluated.objective)
        return EndedBy.ROUNDING if abs(excess) > allowed else EndedBy.CONVERGED

    def advance(self, state, n_most):
        """Return the Advance of one step, or of the end if no step lowers the objective."""
        self.next_position = None
        if self.begins_with_lbfgs:
            self.begins_with_lbfgs = False
            self.next_position = quasi_newton_step(self.newton, self.goal.position)
            if self.next_position is None:
                self.refine(self.goal.position)
        if self.next_position is None:
            self.next_position = step(self.newton, self.goal)
        evaluated = self.goal.position.evaluated
        objective = evaluated.objective
        if self.next_position is not None:
            new = state_after(state, self.next_position, objective)
            return loop.Advance(new, [objective])
        exact = exact_goal(self.newton, self.goal) if self.exact is None else self.exact
        self.certificate = certificate_of(self.newton, evaluated, exact.minimum)
        is_within = self.certificate.is_within(largest_gap(self.newton, objective))
        ended_by = EndedBy.CONVERGED if is_within else EndedBy.STALLED
        return loop.Advance(state, [objective], None, ended_by)

    def complete_state(self, state):
        """Return the state with the KnownRows at its theta."""
        return with_known_rows(self.newton, state, self.position_of(state))

    def position_of(self, state):
        """Return the Position at this state's theta."""
        position = self.goal.position
        is_before_step = self.next_position is None or state.theta is position.theta
        return position if is_before_step else self.next_position

    def finish(self, state, curves):
        """Return the objective at the end, and the Gap there.

        If a monitor, early stopping or Ctrl-C ended training, the Gap is that before the
        last step, an upper estimate.
        """
        evaluated = self.goal.position.evaluated
        objective = evaluated.objective or 1.0
        proven, estimated = None, self.goal.decrease / objective
        position = self.position_of(state)
        if self.certificate is None and self.may_have_converged(position):
            # `max_iter` ended steps to rounding error, which few rows take.
            minimum = exact_goal(self.newton, self.goal).minimum
            self.certificate = certificate_of(self.newton, evaluated, minimum)
        if self.certificate is not None and position is self.goal.position:
            estimated = min(self.certificate) / objective
            if self.certificate.proven <= largest_gap(self.newton, objective):
                proven = self.certificate.proven / objective
        return position.evaluated.objective, Gap(estimated, proven)

    def may_have_converged(self, position) -> bool:
        """Return whether this position is that of a goal which is almost reached."""
        evaluated, newton = self.goal.position.evaluated, self.newton
        is_last = evaluated.n_rows == newton.n_samples and position is self.goal.position
        return is_last and self.goal.decrease <= newton.final_tol * evaluated.objective


def state_after(state: TrainingState, position: Position, objective_before: float):
    """Return the TrainingState after a step from `state` to the position."""
    objective = position.evaluated.objective
    return replace(
        state,
        theta=position.theta,
        step=state.step + 1,
        epoch=state.epoch + 1,
        memory=replace(
            state.memory,
            sample_size=position.evaluated.n_rows,
            n_hessian_rows=position.n_hessian_rows,
            damping=position.damping,
            predicted_decrease=position.last_decrease,
            n_passes=position.n_passes,
            is_preconditioned=position.is_preconditioned,
        ),
        progress=state.progress._replace(
            best=min(objective_before, objective),
            last_improvement=objective_before - objective,
        ),
    )


def with_known_rows(newton: NewtonProblem, state: TrainingState, position: Position):
    """Return the state with the KnownRows that a stream resumes with."""
    evaluated = position.evaluated
    diagonal, penalty = evaluated.evaluation.diagonal, newton.problem.penalty
    known = KnownRows(newton.coordinates, diagonal, evaluated.n_rows, penalty)
    return replace(state, memory=replace(state.memory, known_rows=known))
