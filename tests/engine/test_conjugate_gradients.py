"""`minimise_quadratic` finds the minimum of a quadratic with an l1 part."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from sklearn_nn._engine.newton.conjugate_gradients import (
    Final,
    Quadratic,
    least_ritz_value,
    minimise_quadratic,
    minimise_smooth,
    soft_threshold,
    solver_of,
)

EPS = np.finfo(np.float64).eps

NEVER = Final(decrease=-1.0, is_proof=lambda residual: True, max_products=0)

# So strict that the search ends at rounding error, or close to it.
EXACT = {
    "objective": 1e14,
    "final": NEVER,
    "forcing_term": 1e-14,
    "max_products": 10_000,
}


def solve_directly(matrix, start, gradient):
    """Return the exact minimum, and the decrease of m."""
    move = -solver_of(matrix)(gradient)
    return start + move, -0.5 * float(np.sum(gradient * move))


class Task(NamedTuple):
    """g (x - x0) + 1/2 (x - x0) H (x - x0) + sum_j l1_j |x_j|, with H as a matrix."""

    start: Any
    gradient: Any
    H: Any
    l1: Any = None

    def model(self, products=None):
        """Return the Quadratic; `products` records the direction of each product."""

        def product(direction):
            if products is not None:
                products.append(direction.copy())
            return (self.H @ direction.ravel()).reshape(direction.shape)

        diagonal = np.diagonal(self.H).reshape(self.start.shape)
        diagonal = np.where(diagonal > 0, diagonal, 1.0)
        return Quadratic(self.start, self.gradient, product, diagonal, self.l1)

    def slope(self, x):
        """Return the gradient of the smooth part."""
        return self.gradient + (self.H @ (x - self.start).ravel()).reshape(x.shape)

    def value(self, x):
        """Return m(x)."""
        move = (x - self.start).ravel()
        smooth = self.gradient.ravel() @ move + 0.5 * move @ self.H @ move
        return smooth + (0.0 if self.l1 is None else np.sum(self.l1 * np.abs(x)))


def matrix_of(rng, n, condition):
    """Return a random symmetric matrix whose eigenvalues lie from 1/condition to 1."""
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return (Q * np.geomspace(1 / condition, 1, n)) @ Q.T


STARTS = ("zeros", "normal", "signs", "some zeros")


def task_of(seed=0, n=12, condition=10.0, l1=0.1, start="normal", n_outputs=1):
    """Return a random Task of shape (n / n_outputs, n_outputs)."""
    rng = np.random.RandomState(seed)
    H, gradient = matrix_of(rng, n, condition), rng.normal(size=n)
    x = {
        "zeros": np.zeros(n),
        "normal": rng.normal(size=n),
        # Opposite in sign to a step downhill from zero.
        "signs": 3 * np.sign(gradient),
        "some zeros": rng.normal(size=n) * (np.arange(n) % 2),
    }[start]
    strength = None if l1 is None else np.full(n, l1)
    if l1 is not None:
        strength[-2:] = 0.0  # intercepts
        strength = strength.reshape((-1, n_outputs))
    shape = n // n_outputs, n_outputs
    return Task(x.reshape(shape), gradient.reshape(shape), H, strength)


def violation(task, x):
    """Return the violation of the optimality conditions: the smallest subgradient."""
    slope = task.slope(x)
    l1 = 0.0 if task.l1 is None else task.l1
    at_zero = np.maximum(np.abs(slope) - l1, 0)
    return np.max(np.where(x == 0, at_zero, np.abs(slope + l1 * np.sign(x))))


def accelerated_proximal_gradient(task, n_steps):
    """Return the minimum of m by FISTA with restarts, which is slow but safe.

    A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009; B. O'Donoghue and
    E. Candes, Foundations of Computational Mathematics 15, 2015.
    """
    step_size = 1 / np.linalg.eigvalsh(task.H)[-1]
    x = y = task.start
    t = 1.0
    for _ in range(n_steps):
        new = soft_threshold(y - step_size * task.slope(y), step_size * task.l1)
        if np.sum((y - new) * (new - x)) > 0:
            t = 1.0
        later = (1 + np.sqrt(1 + 4 * t * t)) / 2
        x, y, t = new, new + (t - 1) / later * (new - x), later
    return x


any_seed = pytest.mark.parametrize("seed", range(5))
any_condition = pytest.mark.parametrize("condition", [1.0, 10.0, 1e4, 1e6])
any_start = pytest.mark.parametrize("start", STARTS)
any_l1 = pytest.mark.parametrize("l1", [1e-6, 0.01, 0.1, 1.0])


# Without an l1 part.


@any_seed
@any_condition
@any_start
def test_without_l1_the_linear_equations_are_solved(seed, condition, start):
    task = task_of(seed, condition=condition, l1=None, start=start)
    solution = minimise_quadratic(task.model(), **EXACT)
    exact = task.start.ravel() - np.linalg.solve(task.H, task.gradient.ravel())
    # The decrease is 1/2 error H error too small, at most 1e-14 of it. The error of one
    # coordinate may be the root of that times the root of the condition number.
    error = solution.point.ravel() - exact
    best = 0.5 * task.gradient.ravel() @ (task.start.ravel() - exact)
    assert 0.5 * error @ task.H @ error <= 1e-12 * best


@any_seed
@any_condition
def test_solve_is_exact(seed, condition):
    task = task_of(seed, condition=condition, l1=None)
    point, _ = solve_directly(task.H, task.start, task.gradient)
    exact = task.start.ravel() - np.linalg.solve(task.H, task.gradient.ravel())
    largest = np.max(np.abs(exact))
    error = np.max(np.abs(point.ravel() - exact))
    assert error <= 100 * EPS * condition * largest


@any_seed
@any_condition
@any_start
@pytest.mark.parametrize("l1", [None, 0.1])
def test_decrease_of_minimise_equals_that_of_the_model(seed, condition, start, l1):
    task = task_of(seed, condition=condition, l1=l1, start=start)
    solution = minimise_quadratic(task.model(), **EXACT)
    expected = task.value(task.start) - task.value(solution.point)
    # The terms of m cancel: rounding error is relative to the largest.
    move = np.abs(solution.point - task.start).ravel()
    terms = move @ np.abs(task.H) @ move + abs(task.value(task.start))
    assert solution.decrease == pytest.approx(expected, abs=100 * EPS * terms)


@any_condition
def test_decrease_of_solve_equals_that_of_the_model(condition):
    task = task_of(condition=condition, l1=None)
    point, decrease = solve_directly(task.H, task.start, task.gradient)
    expected = task.value(task.start) - task.value(point)
    assert decrease == pytest.approx(expected, rel=1e-9)


def test_solve_is_exact_for_rows_of_very_different_size():
    task = task_of(l1=None)
    size = 10.0 ** np.linspace(-12, 12, 12)
    scaled, _ = solve_directly(
        task.H * size * size[:, None], task.start, task.gradient * size[:, None]
    )
    plain, _ = solve_directly(task.H, task.start, task.gradient)
    move = (scaled - task.start) * size[:, None]
    # Rounding of start + move in units of the start.
    rounding = 10 * EPS * (np.abs(task.start) * size[:, None] + 1)
    assert np.all(np.abs(move - (plain - task.start)) <= 1000 * rounding)


def test_solve_returns_none_for_a_singular_matrix():
    assert solver_of(np.ones((3, 3))) is None


@any_seed
def test_n_conjugate_steps_solve_n_equations(seed):
    task = task_of(seed, l1=None)
    products = []
    solution = minimise_quadratic(task.model(products), **EXACT | {"max_products": 12})
    assert len(products) == 12
    assert violation(task, solution.point) <= 1e-10


# Without an l1 part, by a preconditioner.


def smooth_solution(task, solve=None, final=NEVER, forcing_term=1e-14, max_products=10_000):
    """Return the Solution of minimise_smooth, by default an exact one."""
    how = 1e300, final, forcing_term, max_products
    return minimise_smooth(task.model(), solve, *how)


@any_seed
@any_condition
@pytest.mark.parametrize("is_preconditioned", [False, True])
def test_smooth_minimum_is_exact(seed, condition, is_preconditioned):
    task = task_of(seed, condition=condition, l1=None)
    solve = solver_of(task.H + 0.1 * np.diag(np.diagonal(task.H)))
    solution = smooth_solution(task, solve if is_preconditioned else None)
    _, decrease = solve_directly(task.H, task.start, task.gradient)
    assert solution.decrease == pytest.approx(decrease, rel=1e-9)
    assert violation(task, solution.point) <= 1e-7 * np.sqrt(decrease)


@any_seed
def test_an_exact_preconditioner_needs_one_product(seed):
    task = task_of(seed, l1=None)
    assert smooth_solution(task, solver_of(task.H), forcing_term=1e-3).n_products == 1


@any_seed
@pytest.mark.parametrize("n_products", range(1, 12))
def test_the_rest_estimates_what_is_missing(seed, n_products):
    task = task_of(seed, condition=100.0, l1=None)
    solution = smooth_solution(task, max_products=n_products)
    _, decrease = solve_directly(task.H, task.start, task.gradient)
    missing = decrease - solution.decrease
    # Ritz values are between the eigenvalues, so the estimate may be too small.
    assert 0.01 * missing - 1e-12 <= solution.rest <= 100 * missing + 1e-9


@any_seed
def test_ritz_values_of_all_steps_are_eigenvalues(seed):
    task = task_of(seed, condition=100.0, l1=None)
    steps, model = [], task.model()
    unit = 1 / np.sqrt(np.diagonal(task.H))
    expected = np.linalg.eigvalsh(task.H * unit * unit[:, None])[0]
    x, residual = model.start, model.gradient
    direction, size = residual / model.diagonal, 0.0
    size = float(np.sum(residual * direction))
    for _ in range(task.H.shape[0]):
        product = model.product(direction)
        length = size / float(np.sum(direction * product))
        x, residual = x - length * direction, residual - length * product
        last, size = size, float(np.sum(residual * residual / model.diagonal))
        steps.append((length, size / last))
        direction = residual / model.diagonal + size / last * direction
    assert least_ritz_value(steps) == pytest.approx(expected, rel=1e-6)


@any_seed
def test_a_last_solution_is_as_exact_as_its_proof_needs(seed):
    task = task_of(seed, n=60, condition=1e4, l1=None)
    norms = []
    for bound in (1e-2, 1e-4, 1e-6):

        def is_proof(residual, bound=bound):
            return np.max(np.abs(residual)) <= bound

        final = Final(np.inf, is_proof, 10_000)
        solution = smooth_solution(task, final=final, forcing_term=0.3)
        norms.append(violation(task, solution.point))
        assert norms[-1] <= 2 * bound
    assert norms[0] > norms[-1]


# With an l1 part. As m is convex, the optimality conditions prove the minimum.


@any_seed
@any_condition
@any_l1
@any_start
def test_optimality_conditions_hold(seed, condition, l1, start):
    task = task_of(seed, condition=condition, l1=l1, start=start)
    solution = minimise_quadratic(task.model(), **EXACT)
    # The search ends at decreases below 1e-14 of the total: gradients of its square root.
    size = np.sqrt(max(solution.decrease, 1e-300))
    assert violation(task, solution.point) <= 1e-6 * size


@pytest.mark.parametrize("seed", range(3))
@any_condition
@pytest.mark.parametrize("l1", [0.01, 0.3])
@pytest.mark.parametrize("start", ["zeros", "signs"])
def test_minimum_equals_that_of_proximal_gradient(seed, condition, l1, start):
    task = task_of(seed, condition=condition, l1=l1, start=start)
    ours = minimise_quadratic(task.model(), **EXACT)
    trusted = accelerated_proximal_gradient(task, 300 if condition < 1e3 else 3000)
    excess = task.value(ours.point) - task.value(trusted)
    # `trusted` is never below the minimum, so that any excess over it is an error of ours.
    assert excess <= 1e-11 * max(ours.decrease, abs(task.value(task.start)))


@any_seed
@any_start
@pytest.mark.parametrize("l1", [0.1, 0.5])
def test_zeros_equal_those_of_proximal_gradient(seed, start, l1):
    task = task_of(seed, l1=l1, start=start)
    ours, trusted = (
        minimise_quadratic(task.model(), **EXACT),
        accelerated_proximal_gradient(task, 2000),
    )
    np.testing.assert_array_equal(ours.point == 0, trusted == 0)


@any_start
def test_zeros_are_exact(start):
    task = task_of(l1=0.5, start=start)
    x = minimise_quadratic(task.model(), **EXACT).point
    free = task.l1 == 0
    assert np.sum(x == 0) >= 2
    assert np.all(x[free] != 0)


@any_start
def test_strong_l1_leaves_only_unpenalised_coordinates(start):
    task = task_of(l1=100.0, start=start)
    x = minimise_quadratic(task.model(), **EXACT).point
    assert np.all(x[task.l1 > 0] == 0)
    np.testing.assert_allclose(task.slope(x)[task.l1 == 0], 0, atol=1e-6)


@any_seed
def test_number_of_outputs_makes_no_difference_to_the_minimum(seed):
    flat, wide = task_of(seed), task_of(seed, n_outputs=3)
    some, others = (
        minimise_quadratic(task.model(), **EXACT).point for task in (flat, wide)
    )
    np.testing.assert_allclose(others.ravel(), some.ravel(), rtol=0, atol=1e-7)


@any_seed
def test_optimality_conditions_hold_if_l1_differs_by_coordinate(seed):
    task = task_of(seed)
    strength = np.random.RandomState(seed).uniform(0, 1, size=task.l1.shape)
    task = task._replace(l1=strength)
    solution = minimise_quadratic(task.model(), **EXACT)
    assert violation(task, solution.point) <= 1e-6


@any_seed
@pytest.mark.parametrize("largest", [1e3, 1e8])
@pytest.mark.parametrize("l1", [None, 0.01])
def test_units_of_coordinates_make_no_difference_to_the_minimum(seed, largest, l1):
    # Each x_j and its l1 in other units, which diagonal scaling undoes.
    task = task_of(seed, l1=l1)
    unit = np.geomspace(1, largest, 12)[:, None]
    other = Task(
        task.start / unit,
        task.gradient * unit,
        task.H * unit * unit.T,
        None if l1 is None else task.l1 * unit,
    )
    ours, others = (minimise_quadratic(t.model(), **EXACT) for t in (task, other))
    assert others.decrease == pytest.approx(ours.decrease, rel=1e-9)


@any_seed
@any_start
@pytest.mark.parametrize("l1", [None, 0.1])
@pytest.mark.parametrize("largest", [100, 0.01])
def test_wrong_diagonal_does_not_change_the_minimum(seed, start, l1, largest):
    model = task_of(seed, l1=l1, start=start).model()
    factors = np.geomspace(1, largest, 12)[:, None]
    other = model._replace(diagonal=model.diagonal * factors)
    ours, others = (minimise_quadratic(m, **EXACT) for m in (model, other))
    assert others.decrease == pytest.approx(ours.decrease, rel=1e-9)


# Singular H: in directions without curvature, m is flat or bounded by l1.


@pytest.mark.parametrize("seed", range(20))
@any_start
@pytest.mark.parametrize("l1", [None, 0.1])
def test_minimum_is_found_for_singular_matrices(seed, start, l1):
    rng = np.random.RandomState(seed)
    U = rng.normal(size=(5, 12))  # fewer rows than features
    task = task_of(seed, l1=l1, start=start)
    task = task._replace(H=U.T @ U, gradient=U.T @ rng.normal(size=(5, 1)))
    solution = minimise_quadratic(task.model(), **EXACT)
    assert violation(task, solution.point) <= 1e-5


@pytest.mark.parametrize("l1", [None, 0.1])
def test_minimum_is_found_for_equal_columns(l1):
    task = task_of(l1=l1)
    H = np.kron(task.H[:6, :6], np.ones((2, 2)))
    task = task._replace(H=H, gradient=np.repeat(task.gradient[:6], 2, axis=0))
    if l1 is not None:
        task = task._replace(l1=np.full((12, 1), l1))
    solution = minimise_quadratic(task.model(), **EXACT)
    assert violation(task, solution.point) <= 1e-6


@pytest.mark.parametrize("l1", [None, 0.1])
def test_a_coordinate_without_curvature_and_gradient_stays(l1):
    task = task_of(l1=l1, start="zeros")
    H, gradient = task.H.copy(), task.gradient.copy()
    H[3] = H[:, 3] = gradient[3] = 0.0
    solution = minimise_quadratic(task._replace(H=H, gradient=gradient).model(), **EXACT)
    assert solution.point[3] == 0.0


# Starts at the minimum.


@pytest.mark.parametrize("l1", [None, 0.1])
def test_start_is_returned_if_the_gradient_is_zero(l1):
    task = task_of(l1=l1, start="zeros")
    task = task._replace(gradient=0 * task.gradient)
    solution = minimise_quadratic(task.model(), **EXACT)
    np.testing.assert_array_equal(solution.point, task.start)
    assert (solution.decrease, solution.n_products) == (0.0, 0)


def test_zero_is_returned_if_l1_is_stronger_than_the_gradient():
    task = task_of(start="zeros")
    task = task._replace(l1=np.full((12, 1), 1.001 * np.abs(task.gradient).max()))
    solution = minimise_quadratic(task.model(), **EXACT)
    assert not solution.point.any()
    assert (solution.decrease, solution.n_products) == (0.0, 0)


@any_seed
@pytest.mark.parametrize("l1", [None, 0.1])
def test_almost_no_decrease_is_left_at_the_minimum(seed, l1):
    task = task_of(seed, l1=l1)
    first = minimise_quadratic(task.model(), **EXACT)
    again = task._replace(start=first.point, gradient=task.slope(first.point))
    second = minimise_quadratic(again.model(), **EXACT)
    assert 0 <= second.decrease <= 1e-12 * first.decrease


# How the search ends.


@any_seed
@any_start
@pytest.mark.parametrize("l1", [None, 0.1])
@pytest.mark.parametrize("most", [1, 2, 5, 20])
def test_products_are_counted_and_bounded(seed, start, l1, most):
    task, products = task_of(seed, condition=1e6, l1=l1, start=start), []
    solution = minimise_quadratic(task.model(products), **EXACT | {"max_products": most})
    # The bound does not cut a proximal step, which retries with smaller steps: each is at
    # most 0.9 of the one before and no less than 1/n of the first, n = 12.
    assert solution.n_products == len(products)
    assert solution.n_products <= most + (
        0 if l1 is None else 1 + np.log(12) / -np.log(0.9)
    )


@any_seed
@any_start
@pytest.mark.parametrize("l1", [None, 0.1])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 13])
def test_decrease_is_positive_however_early_the_search_ends(seed, start, l1, most):
    task = task_of(seed, condition=1e4, l1=l1, start=start)
    solution = minimise_quadratic(task.model(), **EXACT | {"max_products": most})
    assert solution.decrease > 0
    expected = task.value(task.start) - task.value(solution.point)
    assert solution.decrease == pytest.approx(expected, rel=1e-9)


@any_seed
def test_a_small_predicted_decrease_is_solved_more_exactly(seed):
    task = task_of(seed, n=60, condition=1e6, l1=None)
    n_products = [
        minimise_quadratic(task.model(), objective, NEVER, 1e-10, 10_000).n_products
        for objective in (1e3, 1e5, 1e7)
    ]
    assert n_products == sorted(n_products)
    assert n_products[0] < n_products[-1]


def test_a_predicted_decrease_above_the_objective_ends_the_search():
    task = task_of(condition=1e6, l1=None)
    assert minimise_quadratic(task.model(), 1e-3, NEVER, 1e-10, 10_000).n_products == 1


@pytest.mark.parametrize("l1", [None, 0.1])
def test_arguments_are_not_changed(l1):
    task = task_of(l1=l1)
    parts = [task.start, task.gradient, task.H, *([] if l1 is None else [task.l1])]
    before = [part.copy() for part in parts]
    for part in parts:
        part.flags.writeable = False  # finds changes that are undone, too
    minimise_quadratic(task.model(), **EXACT)
    for part, copy in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part, copy)


# The proximal step of l1.


@pytest.mark.parametrize(
    ("x", "threshold", "expected"),
    [
        (3.0, 1.0, 2.0),
        (-3.0, 1.0, -2.0),
        (0.5, 1.0, 0.0),
        (-1.0, 1.0, 0.0),
        (2.0, 0.0, 2.0),
    ],
)
def test_soft_threshold_moves_towards_zero_and_stops(x, threshold, expected):
    assert soft_threshold(np.array([x]), np.array([threshold]))[0] == expected


@pytest.mark.parametrize("n", [2, 20, 200])
def test_a_pivot_of_rounding_is_that_of_a_singular_matrix(n):
    X = np.random.RandomState(0).normal(size=(500, n))
    H = X.T @ X
    assert solver_of(H) is not None
    X[:, -1] = X[:, :-1].sum(axis=1)
    for noise in (-1, 1):
        H = X.T @ X
        H[-1, -1] *= 1 + noise * np.finfo(float).eps
        assert solver_of(H) is None
