"""The stopping rule counts epochs without improvement exactly."""

from math import inf

import pytest

from sklearn_nn._engine.stopping import Decision, StoppingRule
from sklearn_nn._engine.types import Progress

CONTINUE, LOWER, STOP = Decision.CONTINUE, Decision.LOWER_RATE, Decision.STOP


def decisions(rule, criteria, learning_rate=0.1):
    """Return the decision after each criterion, and the last progress."""
    progress, made = Progress(), []
    for criterion in criteria:
        progress, decision, _ = rule.judge(progress, [criterion], learning_rate)
        made.append(decision)
    return made, progress


@pytest.mark.parametrize("n_iter_no_change", [1, 2, 5])
def test_rule_stops_after_exactly_n_iter_no_change_epochs(n_iter_no_change):
    made, _ = decisions(StoppingRule(0.1, n_iter_no_change), [1.0] * (n_iter_no_change + 1))
    assert made == [CONTINUE] * n_iter_no_change + [STOP]


def test_an_improvement_resets_the_count():
    made, _ = decisions(StoppingRule(0.1, 2), [1.0, 1.0, 0.5, 0.5, 0.5])
    assert made == [CONTINUE] * 4 + [STOP]


def test_an_improvement_of_exactly_tol_counts():
    made, _ = decisions(StoppingRule(0.25, 1), [1.0, 0.75, 0.5])
    assert made == [CONTINUE] * 3


def test_an_improvement_below_tol_does_not_count():
    made, _ = decisions(StoppingRule(0.25, 1), [1.0, 0.875])
    assert made == [CONTINUE, STOP]


def test_many_small_improvements_do_not_add_up():
    # Each improvement is relative to the best so far, which small improvements update.
    made, _ = decisions(StoppingRule(0.25, 3), [1.0, 0.875, 0.75, 0.625])
    assert made == [CONTINUE] * 3 + [STOP]


def test_a_tie_counts_as_improvement_if_tol_is_0():
    made, _ = decisions(StoppingRule(0.0, 1), [1.0, 1.0, 1.0])
    assert made == [CONTINUE] * 3


def test_the_first_epoch_never_ends_training():
    made, _ = decisions(StoppingRule(1e300, 1), [5.0])
    assert made == [CONTINUE]


def test_minus_infinity_as_tol_never_stops():
    made, _ = decisions(StoppingRule(-inf, 1), [1.0, 2.0, 3.0])
    assert made == [CONTINUE] * 3


def test_infinite_patience_never_stops():
    made, _ = decisions(StoppingRule(0.1, inf), [1.0] * 50)
    assert made == [CONTINUE] * 50


def test_scores_are_maximised_as_negative_criteria():
    # Minus the accuracies 0.5, 0.75, 0.75, 0.5.
    made, progress = decisions(StoppingRule(0.125, 2), [-0.5, -0.75, -0.75, -0.5])
    assert made == [CONTINUE] * 3 + [STOP]
    assert progress.best == -0.75


def test_best_is_the_smallest_so_far():
    _, progress = decisions(StoppingRule(0.25, 9), [1.0, 0.9, 2.0])
    assert progress.best == 0.9


def test_last_improvement_is_measured_against_the_best_before():
    _, progress = decisions(StoppingRule(0.25, 9), [1.0, 0.5, 0.75])
    assert progress.last_improvement == -0.25


def test_given_progress_is_not_modified():
    before = Progress(best=1.0, n_no_improvement=1)
    StoppingRule(0.1, 2, lowers_rate=True).judge(before, [1.0], 0.1)
    assert before == Progress(best=1.0, n_no_improvement=1)


def test_best_theta_is_passed_on():
    best_theta_before = object()
    progress, *_ = StoppingRule(0.1, 2).judge(
        Progress(best_theta=best_theta_before), [1.0], 0.1
    )
    assert progress.best_theta is best_theta_before


# 'adaptive'


def test_rate_is_divided_by_5_instead_of_stopping():
    made, progress = decisions(StoppingRule(0.1, 2, lowers_rate=True), [1.0] * 5)
    assert made == [CONTINUE, CONTINUE, LOWER, CONTINUE, LOWER]
    assert progress.rate_factor == 1 / 5 / 5


def test_rate_is_not_lowered_without_lowers_rate():
    _, progress = decisions(StoppingRule(0.1, 2), [1.0] * 5)
    assert progress.rate_factor == 1


@pytest.mark.parametrize(
    ("learning_rate", "expected"), [(1.1e-6, LOWER), (1e-6, STOP), (1e-7, STOP)]
)
def test_rule_stops_at_a_learning_rate_of_1e_6(learning_rate, expected):
    rule = StoppingRule(0.1, 1, lowers_rate=True)
    made, _ = decisions(rule, [1.0, 1.0], learning_rate)
    assert made == [CONTINUE, expected]


def test_stopping_does_not_lower_the_rate():
    rule = StoppingRule(0.1, 1, lowers_rate=True)
    _, progress = decisions(rule, [1.0, 1.0], learning_rate=1e-6)
    assert progress.rate_factor == 1


# Several epochs at once.

CRITERIA = [1.0, 0.5, 0.45, 0.3, 0.29, 0.28, 0.27, 0.1]


@pytest.mark.parametrize("lowers_rate", [False, True])
@pytest.mark.parametrize("n_iter_no_change", [1, 2, 3, 9])
def test_decision_on_several_epochs_equals_one_by_one(n_iter_no_change, lowers_rate):
    rule = StoppingRule(0.1, n_iter_no_change, lowers_rate)
    together = rule.judge(Progress(), CRITERIA, 0.1)
    progress, decision, n_judged = Progress(), CONTINUE, 0
    while decision is CONTINUE and n_judged < len(CRITERIA):
        progress, decision, _ = rule.judge(progress, [CRITERIA[n_judged]], 0.1)
        n_judged += 1
    assert together == (progress, decision, n_judged)


def test_epochs_after_the_decision_are_not_judged():
    _, decision, n_judged = StoppingRule(0.1, 2).judge(Progress(), [1.0] * 9, 0.1)
    assert (decision, n_judged) == (STOP, 3)
