"""The minimum of a quadratic with an l1 part: what each Newton step is a solution of.

    m(x) = g (x - x0) + 1/2 (x - x0) H (x - x0) + sum_j l1_j |x_j|

by conjugate gradients, of which the l1 part needs a version that knows of zeros. Between
sign changes, on a face, m is a plain quadratic. So there are three kinds of step: along the
face, by conjugate gradients; off it, for coordinates whose gradient pulls them away from
zero; and, where a coordinate would change its sign, a proximal step, which sets to zero all
coordinates that should be. Without an l1 part only the first kind occurs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

# A search goes on for at least so many steps, and ends when the later half of its steps has
# brought little: not more than this part, if the model promises much.
FEWEST, LITTLE = 8, 0.3
# And this part, if it promises so little that training ends.
STRICT = 1e-2


class Quadratic(NamedTuple):
    """m as above, around a point of any shape."""

    start: Any  # x0
    gradient: Any  # g, of the smooth part at x0
    product: Callable  # direction -> H direction
    diagonal: Any  # of H, all > 0
    l1: Any  # >= 0, or None where there is no l1 part


class Solution(NamedTuple):
    """What the search has found."""

    point: Any
    decrease: float  # of m, in the units of m
    n_products: int


class Place(NamedTuple):
    """Where the search is."""

    x: Any
    gradient: Any  # of the smooth part
    decrease: float  # of m so far
    direction: Any = None  # of the last conjugate step, and H times it
    product: Any = None


def solve(matrix, start, gradient):
    """Return the exact Solution for H as a matrix, without an l1 part.

    It is None where H is singular to rounding, which conjugate gradients do not mind.
    """
    unit = 1 / np.sqrt(np.diagonal(matrix))  # rows of very different size lose digits
    try:
        factor = cho_factor(matrix * unit * unit[:, None], check_finite=False)
    except LinAlgError:
        return None
    slope = gradient.reshape(-1)
    move = -unit * cho_solve(factor, unit * slope, check_finite=False)
    decrease = -0.5 * float(slope @ move)
    return Solution(start + move.reshape(start.shape), decrease, 0)


def minimise(model, objective, enough, loose, most):
    """Return an approximate Solution.

    Parameters
    ----------
    model : Quadratic
    objective : float
        Of the start, > 0 and never below 0: what m promises, as a part of it, is how far
        the start is from the optimum. The nearer, the better m is, and the more exactly it
        is solved: until the later half of the steps brought no more than that part.
    enough : float
        A promise of which it matters how good it is: it ends the training.
    loose : float
        Smallest such part for any larger promise.
    most : int
        Largest number of products with H.

    References
    ----------
    M. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear
    systems", 1952; preconditioned with the diagonal.

    S. Nash and A. Sofer, "Assessing a search direction within a truncated-Newton method",
    Operations Research Letters 9, 1990: to end by what the last steps have brought.

    Z. Dostal, "Box constrained quadratic programming with proportioning and projections",
    SIAM J. Optimization 7, 1997: steps on faces, release and expansion, here with the
    zeros of an l1 part in place of bounds.
    """
    place = Place(model.start, model.gradient, 0.0)
    step_size, n_products, decreases = 1.0, 0, [0.0]
    while n_products < most:
        face, release = pulls(model, place)
        size_of_face = float(np.sum(face * face / model.diagonal))
        size_of_release = float(np.sum(release * release / model.diagonal))
        if not size_of_face + size_of_release > 0:
            break
        if size_of_release > size_of_face:
            place = release_step(model, place, release, size_of_release)
            n_products += 1
        else:
            place, crosses = face_step(model, place, face)
            n_products += 1
            if crosses:
                place, step_size, n_tried = proximal_step(model, place, step_size)
                n_products += n_tried
        gained = place.decrease - decreases[-1]
        decreases.append(place.decrease)
        if not gained > 0:  # rounding has the last word
            break
        n_steps, promised = len(decreases) - 1, place.decrease
        if promised > objective:  # which nothing can keep
            break
        part = min(LITTLE, max(loose, promised / objective))
        part = STRICT if promised <= enough else part
        if n_steps >= FEWEST and promised - decreases[n_steps // 2] < part * promised:
            break
    return Solution(place.x, place.decrease, n_products)


def pulls(model, place):
    """Return the gradient of m along the face, and what pulls zeros away from it."""
    if model.l1 is None:
        return place.gradient, np.zeros(1)
    at_zero = (place.x == 0) & (model.l1 > 0)
    along = place.gradient + model.l1 * np.sign(place.x)
    face = np.where(at_zero, 0.0, along)
    release = np.where(at_zero, soft_threshold(place.gradient, model.l1), 0.0)
    return face, release


def soft_threshold(x, threshold):
    """Return x moved towards 0 by `threshold`, where it stops."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


def release_step(model, place, release, size):
    """Return the best Place along minus `release`, scaled by the diagonal."""
    direction = release / model.diagonal
    product = model.product(direction)
    length = size / float(np.sum(direction * product))
    return Place(
        place.x - length * direction,
        place.gradient - length * product,
        place.decrease + 0.5 * length * size,
    )


def face_step(model, place, face):
    """Return the Place after a conjugate step on the face, and whether it met a zero."""
    direction = face / model.diagonal
    if place.direction is not None:
        # Conjugate to the last direction: p_k = z_k - p_{k-1} (z_k H p_{k-1}) / (p H p).
        curvature = float(np.sum(place.direction * place.product))
        overlap = float(np.sum(direction * place.product))
        direction = direction - overlap / curvature * place.direction
    product = model.product(direction)
    slope = float(np.sum(face * direction))
    curvature = float(np.sum(direction * product))
    length, crosses = slope / curvature if curvature > 0 else np.inf, False
    if model.l1 is not None:
        meets = (place.x * direction > 0) & (model.l1 > 0)
        lengths = np.where(meets, place.x / np.where(meets, direction, 1.0), np.inf)
        crosses = bool(np.min(lengths) < length)
        if crosses:
            length = float(np.min(lengths))
    # Where m is flat, its l1 part goes down until a coordinate meets zero.
    if not length < np.inf:
        return place, False
    x = place.x - length * direction
    if crosses:
        x = np.where(lengths <= length, 0.0, x)
    gradient = place.gradient - length * product
    decrease = place.decrease + length * slope - 0.5 * length * length * curvature
    return Place(x, gradient, decrease, direction, product), crosses


def proximal_step(model, place, step_size):
    """Return the Place after a proximal step, a step size that works, and its products.

    x <- soft_threshold(x - s gradient / diagonal, s l1 / diagonal), with s small enough
    that m is below its bound by the diagonal.
    """
    n_tried = 0
    while True:
        scale = step_size / model.diagonal
        x = soft_threshold(place.x - scale * place.gradient, scale * model.l1)
        move = x - place.x
        product, n_tried = model.product(move), n_tried + 1
        curvature = float(np.sum(move * product))
        bound = float(np.sum(move * move * model.diagonal))
        if not step_size * curvature > (1 + 1e-9) * bound:
            break
        step_size = 0.9 * bound / curvature
    slope = float(np.sum(place.gradient * move))
    change = float(np.sum(model.l1 * (np.abs(x) - np.abs(place.x))))
    decrease = place.decrease - slope - 0.5 * curvature - change
    return Place(x, place.gradient + product, decrease), step_size, n_tried
