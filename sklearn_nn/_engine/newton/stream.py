"""Rows that come one after another, each learned once: without a learning rate.

What a memory keeps of the rows it has seen is a quadratic around its parameters theta,

    past(x) = slope (x - theta) + 1/2 (x - theta) precision (x - theta)

A block of rows is learned by going, with Newton steps (quadratic.py), to the minimum of

    sum_i w_i loss_i(x) + past(x) + n * penalty(x) + prior(x)

where n counts all rows so far, and by then adding its gradient there to the slope and its
Hessian to the precision. As the penalty stays out of the quadratic, it is exact, and l1
gives exact zeros. The prior lets no first rows be taken for the whole truth, and fades.

Rows may change their ways. So there are several memories, and all but one forget: slope,
precision and n lose a constant part with each row. Each memory predicts every block before
it learns it. The model is the mean of the memories' parameters, weighted by how well they
predicted lately; as the loss is convex, it predicts no worse than they do on average.

Features are standardised by means and deviations that each memory keeps, too. Where these
become better known, slope, precision and theta are carried over to the new units exactly.
Once a memory is full, a change is taken for a drift instead: theta keeps its numbers, so
that a feature of changing scale keeps its part in the prediction.

Memory and time of a row do not grow with the number of rows seen. The same chunks give the
same model, other chunks a slightly other one. After one pass over rows of one kind, many
for the number of parameters, the relative gap to the optimum is small where the precision
is a matrix: below 1e-4 in test_stream.py, 2e-4 to 3e-4 on a9a's 123 features. Where it is a
diagonal, the gap was 6 to 19 % on digits and on words. A softmax's precision leaves out how
outputs go together, which costs a part of 1e-3. What changes within fewer than some 30 rows
for each coefficient is followed late.

References
----------
O. Chapelle and L. Li, "An empirical evaluation of Thompson sampling", NeurIPS 2011,
algorithm 3: the recursion, with a diagonal precision and a step of its own for each block.

T. McCormick, A. Raftery, D. Madigan and R. Burd, "Dynamic logistic regression and dynamic
model averaging for binary classification", Biometrics 68, 2012, section 2: full precision,
forgetting, and memories weighted by their predictions.

H. B. McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013: a penalty
beside the sum of what was seen.

S. Ross, P. Mineiro and J. Langford, "Normalized online learning", UAI 2013: units that
follow the data, seen before it is learned.

T. Chan, G. Golub and R. LeVeque, "Algorithms for computing the sample variance", The
American Statistician 37, 1983, equation 2.1: moments of two parts as those of the whole.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import hstack, issparse

from ..objective.losses import LOSSES, Loss
from ..objective.penalties import Penalty
from ..rows import batches
from . import quadratic
from .coordinates import Coordinates

# Rows that a memory keeps for each coefficient, and the coefficients that count.
MEMORIES, MOST_COEFFICIENTS = (np.inf, 100.0, 30.0), 256
# A precision is a matrix for each output up to so many numbers; beyond, its diagonal.
MOST_NUMBERS = 2**17
# Larger chunks are learned in blocks of so many rows; sparse ones are not dense beyond.
BLOCK = 1000
# The rows over which predictions are compared; nats that one row can count at most, as an
# outlier says little; and nats by which memories that forget must be better.
COMPARED, MOST_NATS, DOUBT = 1000.0, 10.0, 5.0
# Memories less believed than this do not take part.
LEAST_BELIEF = 0.01
# 1 / variance of a logit in the prior, and the number of rows that are too few to know the
# units in which it is stated.
PRIOR, CAUTION = 0.25, 50.0
# Newton steps for a block, and nats in all its rows that are not worth another; products
# with the Hessian in each, and the part of its decrease that is not worth more. What is
# left undone stays in the slope, and is done with the next block.
MOST_STEPS, TOLERANCE = 10, 0.1
MOST_PRODUCTS, STRICT = 100, 0.1
# Deviations below this part of the mean may be rounding.
CONSTANT = 1e-12
# A penalty divided by its square is still a number.
SMALLEST_SCALE = 1e-140
NO_PENALTY = Penalty()


class StreamMemory(NamedTuple):
    """What is known after some rows: float64 arrays, whose first axis is the memory.

    There are p features and k outputs. Points have shape (p + 1, k), the intercepts last,
    and belong to the units u = (x - centre) / scale. A single memory has the same type,
    without the first axis.
    """

    centre: Any  # (p,)
    scale: Any  # (p,)
    variance: Any  # (p,), about the centre; where not centred, of non-zero values about 0
    mass: Any  # (p,), the rows behind it
    point: Any  # (p + 1, k), theta
    slope: Any  # (p + 1, k)
    precision: Any  # (k, p + 1, p + 1), or (p + 1, k) for a diagonal
    n_rows: Any  # ()
    score: Any  # (), nats lost in predictions lately

    def averaged(self, theta):
        """Return theta: the mean of the memories is in it already."""
        return theta


class Block(NamedTuple):
    """Rows that are learned at once, and how."""

    X: Any  # (n, p), float64
    y: Any
    weight: Any  # (n,)
    loss: Loss
    penalty: Penalty
    fit_intercept: bool
    centred: bool


def begin(n_features, n_outputs):
    """Return the StreamMemory before the first row."""
    n = n_features + 1
    full = n_outputs * n * n <= MOST_NUMBERS
    shape = (n_outputs, n, n) if full else (n, n_outputs)
    return StreamMemory(
        centre=np.zeros((len(MEMORIES), n_features)),
        scale=np.ones((len(MEMORIES), n_features)),
        variance=np.zeros((len(MEMORIES), n_features)),
        mass=np.zeros((len(MEMORIES), n_features)),
        point=np.zeros((len(MEMORIES), n, n_outputs)),
        slope=np.zeros((len(MEMORIES), n, n_outputs)),
        precision=np.zeros((len(MEMORIES), *shape)),
        n_rows=np.zeros(len(MEMORIES)),
        score=np.zeros(len(MEMORIES)),
    )


def begin_at(theta, coordinates, diagonal, n_rows, penalty=NO_PENALTY):
    """Return the StreamMemory that goes on from a model fitted elsewhere.

    Its rows are taken for a quadratic that, with their penalty, is lowest at the model.

    Parameters
    ----------
    theta : array of shape (n_parameters,)
        In the user's units.
    coordinates : Coordinates
        In which the rows have about mean 0 (if they are centred) and variance 1.
    diagonal : array of shape (n_features + 1, n_outputs)
        Of the mean loss's Hessian in the coordinates. How features go together is not in
        it: the model is less easily changed than its rows would say.
    n_rows : float
        How many rows it stands for; memories that forget take no more than they keep.
    penalty : Penalty
        With which the model was fitted.
    """
    state, point = begin(len(diagonal) - 1, diagonal.shape[1]), coordinates.point_of(theta)
    lengths, scale = np.minimum(memory_lengths(len(point)), n_rows), coordinates.scale
    weight = point[:-1] / scale[:, None]
    pull = (penalty.l2 * weight + penalty.l1 * np.sign(weight)) / scale[:, None]
    slope = np.vstack([-pull, np.zeros_like(point[-1:])])
    precision = lengths[:, None, None] * np.asarray(diagonal, dtype=np.float64)
    if state.precision.ndim == 4:
        precision = precision.swapaxes(1, 2)[..., None] * np.eye(len(point))
    each = np.ones((len(lengths), 1))
    return state._replace(
        centre=each * coordinates.centre,
        scale=each * scale,
        variance=each * scale**2,
        mass=lengths[:, None] * np.ones(len(scale)),
        point=each[..., None] * point,
        slope=lengths[:, None, None] * slope,
        precision=precision,
        n_rows=lengths,
    )


def moved_to(state, theta):
    """Return the state with all memories at theta (n_parameters,), in the user's units.

    What they know of curvature stays; that theta is lowest there takes the place of what
    they know of slopes.
    """
    points = [
        Coordinates(memory.centre, memory.scale).point_of(theta)
        for memory in memories_of(state)
    ]
    return state._replace(point=np.stack(points), slope=np.zeros_like(state.slope))


def memory_lengths(n_coefficients):
    """Return the rows that each memory keeps, for so many coefficients."""
    return np.array(MEMORIES) * min(n_coefficients, MOST_COEFFICIENTS)


def learn(state, data, penalty, fit_intercept):
    """Return the StreamMemory after the rows of `data`, and their objective before.

    Parameters
    ----------
    state : StreamMemory
        Is not changed.
    data : Dataset
        Rows in order, dense or CSR; only dense ones are centred.
    penalty : Penalty
        Of a mean loss: that of the whole stream is as many times as large as it has rows.
    fit_intercept : bool
        If not, intercepts stay where they are, and rows are not centred.

    Returns
    -------
    state : StreamMemory
    objective : float
        Mean loss of the rows, each before its block of at most 1000 was learned, plus the
        penalty there (nats).
    """
    name = "softmax" if data.y.ndim == 1 else "logistic"
    total, n_rows = 0.0, 0.0
    for rows in batches(data, None, BLOCK):
        weight = np.ones(rows.n_samples)
        if rows.sample_weight is not None:
            weight = rows.sample_weight.astype(np.float64)
        if not weight.sum() > 0:
            continue
        X, centred = rows.X.astype(np.float64), fit_intercept and not issparse(rows.X)
        if issparse(X) and state.precision.ndim == 4:
            X = X.toarray()  # few columns, in which dense products are faster
        loss = LOSSES["log_loss", name]
        block = Block(X, rows.y, weight, loss, penalty, fit_intercept, centred)
        total += weight.sum() * objective_of(layers(state), block)
        n_rows += weight.sum()
        lengths = memory_lengths(state.point.shape[1])
        learned = [
            learn_block(scored(memory, block), length, block)
            for memory, length in zip(memories_of(state), lengths, strict=True)
        ]
        state = StreamMemory(*(np.stack(arrays) for arrays in zip(*learned, strict=True)))
    return state, total / max(n_rows, np.finfo(np.float64).tiny)


def layers(state):
    """Return weight (n_features, n_outputs) and intercept (n_outputs,), user's units."""
    doubt = np.where(np.isinf(MEMORIES), 0.0, DOUBT)
    belief = np.exp(state.score.min() - state.score - doubt)
    belief = np.where(belief < LEAST_BELIEF * belief.sum(), 0.0, belief) / belief.sum()
    belief = belief / belief.sum()
    models = [one_model(memory) for memory in memories_of(state)]
    weights, intercepts = (np.stack(arrays) for arrays in zip(*models, strict=True))
    return np.tensordot(belief, weights, 1), belief @ intercepts


def memories_of(state):
    """Return each memory of a state by itself, as views."""
    return [StreamMemory(*arrays) for arrays in zip(*state, strict=True)]


def one_model(memory):
    """Return weight and intercept of one memory, in the user's units."""
    weight = memory.point[:-1] / memory.scale[:, None]
    return weight, memory.point[-1] - memory.centre @ weight


def objective_of(model, block):
    """Return the mean loss of (weight, intercept) on the block plus the penalty."""
    values = block.loss.value_and_gradient(block.X @ model[0] + model[1], block.y)[0]
    mean = float(block.weight @ values / block.weight.sum())
    return mean + block.penalty.value(model[0].reshape(-1))


def scored(memory, block):
    """Return the memory with its prediction of the block in its score."""
    weight, intercept = one_model(memory)
    values = block.loss.value_and_gradient(block.X @ weight + intercept, block.y)[0]
    fade = np.exp(-block.weight.sum() / COMPARED)
    score = fade * memory.score + block.weight @ np.minimum(values, MOST_NATS)
    return memory._replace(score=score)


def learn_block(memory, length, block):
    """Return the memory after the block."""
    n_rows = block.weight.sum()
    keep = np.exp(-n_rows / length)
    # What is still being found out is found better, and nothing has drifted.
    memory = with_units_of(block, memory, keep, exactly=np.max(memory.mass) < length / 2)
    memory = memory._replace(
        slope=memory.slope * keep,
        precision=memory.precision * keep,
        n_rows=memory.n_rows * keep + n_rows,
    )
    Z = standardised(memory, block)
    point = lowest(memory, block, Z)
    proba = block.loss.predict_proba(Z @ point)
    curvature = block.weight[:, None] * proba * (1 - proba)
    delta = block.loss.value_and_gradient(Z @ point, block.y)[1]
    pull = memory.slope + times(memory.precision, point - memory.point)
    slope = pull + Z.T @ (block.weight[:, None] * delta)
    if memory.precision.ndim == 2:
        precision = memory.precision + squares(Z).T @ curvature
    else:  # for each output: Z^T diag(curvature_k) Z
        precision = memory.precision + np.stack([(Z.T * c) @ Z for c in curvature.T])
    return memory._replace(point=point, slope=slope, precision=precision)


def with_units_of(block, memory, keep, exactly):
    """Return the memory in units that know the block's rows, too.

    With `exactly`, it says the same of rows as before; else it has the same numbers.
    """
    if not block.centred and memory.centre.any():
        memory = in_units(memory, np.zeros_like(memory.centre), memory.scale)
    mean, variance, mass = moments(block)
    old, total = keep * memory.mass, keep * memory.mass + mass
    part = mass / np.where(total > 0, total, 1.0)  # of the block
    shift = mean - memory.centre
    centre = memory.centre + part * shift
    spread = shift**2 * part * (1 - part)
    variance = (1 - part) * memory.variance + part * variance + spread
    # Nothing is known about a column that has not varied: any unit will do.
    unit = np.where(old > 0, memory.scale, np.where(centre == 0, 1.0, np.abs(centre)))
    deviation = np.sqrt(variance)
    scale = np.where(deviation <= CONSTANT * np.abs(centre), unit, deviation)
    scale = np.maximum(scale, SMALLEST_SCALE)
    if exactly:
        memory = in_units(memory, centre, scale)
    return memory._replace(centre=centre, scale=scale, variance=variance, mass=total)


def moments(block):
    """Return mean, variance and number of rows of each feature, arrays (n_features,).

    What is not centred is mostly zeros, which say nothing about units: the mean is taken
    as 0, and the others are those of the non-zero values.
    """
    X, weight = block.X, block.weight
    if block.centred:
        total = weight.sum()
        mean = weight @ X / total
        return mean, weight @ (X - mean) ** 2 / total, np.full(X.shape[1], total)
    mass = (X != 0).T @ weight
    variance = squares(X).T @ weight / np.where(mass > 0, mass, 1.0)
    return np.zeros(X.shape[1]), variance, mass


def in_units(memory, centre, scale):
    """Return the memory in other units, where it says the same of the same rows.

    Rows become u' = (u - shift) * ratio. Slope and precision are sums of rows and of their
    products, and change as these do; theta so that logits stay. A diagonal precision loses
    what would no longer be on the diagonal.
    """
    ratio = (memory.scale / scale)[:, None]
    shift = ((centre - memory.centre) / memory.scale)[:, None]

    def moved(sums):  # (p + 1, any)
        return np.concatenate([(sums[:-1] - shift * sums[-1:]) * ratio, sums[-1:]])

    intercept = memory.point[-1:] + np.sum(shift * memory.point[:-1], axis=0)
    if memory.precision.ndim == 2:
        precision = memory.precision * np.append(ratio, 1.0)[:, None] ** 2
    else:
        precision = np.stack([moved(moved(one).T).T for one in memory.precision])
    return memory._replace(
        centre=centre,
        scale=scale,
        point=np.concatenate([memory.point[:-1] / ratio, intercept]),
        slope=moved(memory.slope),
        precision=precision,
    )


def standardised(memory, block):
    """Return the block's rows in the memory's units, with ones for the intercept."""
    ones = np.ones((len(block.weight), 1))
    if not issparse(block.X):
        return np.hstack([(block.X - memory.centre) / memory.scale, ones])
    return hstack([block.X.multiply(1 / memory.scale), ones], format="csr")


def squares(X):
    """Return the squares of the elements of X, dense or CSR."""
    return X.power(2) if issparse(X) else X * X


def times(precision, points):
    """Return a precision times points (n_features + 1, n_outputs), each with its own."""
    if precision.ndim == 2:
        return precision * points
    return (precision @ points.T[:, :, None])[:, :, 0].T


def ridge_and_l1(memory, penalty):
    """Return what x^2 / 2 and |x| are multiplied with for all rows (n_features + 1, k)."""
    n_rows, prior = memory.n_rows, np.full(len(memory.point), PRIOR)
    # A logit is the sum of so many coefficients, each times a number of about 1.
    prior[:-1] *= 1.0 + memory.mass.sum() / n_rows
    prior *= 1.0 + CAUTION / n_rows
    if memory.precision.ndim == 3:  # a diagonal is too sure to do without a prior
        seen = np.append(memory.mass, n_rows)
        prior /= 1.0 + seen / min(len(seen), MOST_COEFFICIENTS)
    ridge = prior + n_rows * penalty.l2 * np.append(1 / memory.scale**2, 0.0)
    l1 = n_rows * penalty.l1 * np.append(1 / memory.scale, 0.0)
    shape = memory.point.shape
    return tuple(np.broadcast_to(column[:, None], shape) for column in (ridge, l1))


def lowest(memory, block, Z):
    """Return the minimum of block, past, penalty and prior, to about TOLERANCE nats."""
    ridge, l1 = ridge_and_l1(memory, block.penalty)
    weight, trained = block.weight[:, None], np.ones((len(memory.point), 1))
    trained[-1] = block.fit_intercept

    def look(x):
        values, delta = block.loss.value_and_gradient(Z @ x, block.y)
        move = x - memory.point
        pull = times(memory.precision, move)
        objective = block.weight @ values + np.sum(move * (memory.slope + pull / 2))
        objective += np.sum(x * x * ridge) / 2 + np.sum(l1 * np.abs(x))
        gradient = Z.T @ (weight * delta) + memory.slope + pull + ridge * x
        return objective, gradient * trained

    def model(x, gradient):
        proba = block.loss.predict_proba(Z @ x)

        def product(direction):
            rows = Z.T @ (weight * block.loss.curvature(proba, Z @ direction))
            past = times(memory.precision, direction) + ridge * direction
            return (rows + past) * trained

        diagonal = ridge + squares(Z).T @ (weight * proba * (1 - proba))
        if memory.precision.ndim == 2:
            diagonal = diagonal + memory.precision
        else:
            diagonal = diagonal + np.diagonal(memory.precision, axis1=1, axis2=2).T
        return quadratic.Quadratic(x, gradient, product, diagonal, l1 if l1.any() else None)

    x = memory.point
    objective, gradient = look(x)
    for _ in range(MOST_STEPS):
        goal, decrease, _ = quadratic.minimise(
            model(x, gradient), np.inf, 0.0, STRICT, MOST_PRODUCTS
        )
        for length in 2.0 ** -np.arange(20):
            trial = x + length * (goal - x)
            lower, slope = look(trial)
            if lower <= objective - 1e-4 * length * decrease + 1e-12 * abs(objective):
                break
        else:
            return x
        x, objective, gradient = trial, lower, slope
        if decrease < TOLERANCE:
            break
    return x
