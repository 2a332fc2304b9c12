"""Longer Newton steps: they are the best of their line, and save steps."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier
from sklearn_nn._engine.newton import line_search

TABLES = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}
any_table = pytest.mark.parametrize("table", TABLES)


def rows_of(table):
    """Return the table's features, standardised, and its labels: nearly separable."""
    X, y = TABLES[table](return_X_y=True)
    return StandardScaler().fit_transform(X), y


def objective_at(newton, start, point):
    """Return J at a point, on the rows of `start`."""
    loss = start.rows.evaluate(newton.coordinates, point).loss
    return loss + newton.penalty(point)


@any_table
@pytest.mark.parametrize("penalty", ["l2", None])
def test_the_best_length_is_that_of_the_lowest_objective(table, penalty, monkeypatch):
    found, best_length = [], line_search.best_length

    def recorded(newton, start, end):
        length = best_length(newton, start, end)
        move = end.point - start.point
        lengths = np.append(np.geomspace(1, line_search.LONGEST, 60), length)
        objectives = [
            objective_at(newton, start, start.point + each * move) for each in lengths
        ]
        found.append((length, (start.objective - np.array(objectives)).tolist()))
        return length

    monkeypatch.setattr(line_search, "best_length", recorded)
    X, y = rows_of(table)
    with warnings.catch_warnings():  # without a penalty, classes are separable
        warnings.simplefilter("ignore", ConvergenceWarning)
        SGDLogisticClassifier(penalty=penalty).fit(X, y)
    longer = [decreases for length, decreases in found if length > 1]
    assert longer
    for *grid, decrease in longer:
        # A slope of 0 within 20 % of the length: most of what the line can bring.
        assert decrease >= 0.9 * max(grid)
        assert decrease > grid[0]


@any_table
def test_nearly_separable_rows_take_few_steps(table):
    # Whole steps alone take 9, 10 and 9.
    X, y = rows_of(table)
    model = SGDLogisticClassifier().fit(X, y)
    assert model.n_iter_ <= 7
    assert model.gap_ <= 1e-4


def test_steps_are_not_lengthened_near_the_optimum(monkeypatch):
    lengths, best_length = [], line_search.best_length
    monkeypatch.setattr(
        line_search,
        "best_length",
        lambda *arguments: lengths.append(best_length(*arguments)) or lengths[-1],
    )
    X = np.random.RandomState(0).normal(size=(80, 3))
    y = X[:, 0] + np.random.RandomState(1).logistic(size=80) > 0
    SGDLogisticClassifier(tol=None).fit(X, y)
    assert len(lengths) > 3
    assert set(lengths[2:]) == {1.0}
