"""Logistic regression on a stream: each row is learned once, without a learning rate.

An expert summarises the rows that it has seen by a quadratic around its point, the
coefficients in its own units:

    seen(x) = slope (x - point) + 1/2 (x - point) precision (x - point)

It learns a batch by Newton steps (expert_minimum.py) to the minimum of

    sum_i w_i loss_i(x) + seen(x) + n * penalty(x) + prior(x)

where n is the number of rows so far. Then it adds the gradient of the batch's loss there to
the slope, and its Hessian to the precision. The penalty stays out of the quadratic, so that
it is exact, and l1 gives exact zeros. The prior keeps the first rows from determining the
model alone. It fades if the precision is a matrix; a diagonal overstates what the rows
determine.

The rows may drift. So there are several experts, and all but one forget: slope, precision
and n decay by a constant factor per row. Each expert predicts each batch before it learns
it. The model is the mean of the experts' coefficients, weighted by their recent
predictions. Because the loss is convex, it predicts no worse than the experts do on
average.

Each expert standardises the features by means and deviations that it estimates as well.
While these estimates improve, slope, precision and point are converted to the new units
exactly. Once an expert has half as many rows as it remembers, a change is a drift instead:
the point keeps its numbers, so that a feature whose scale drifts keeps its share of the
prediction.

Memory, and time per row, do not grow with the number of rows seen. The same chunks give the
same model, other chunks a slightly different one. After one pass over many rows of the same
distribution, the relative gap to the optimum is small if the precision is a matrix: below
1e-4 in test_experts.py, 2e-4 to 3e-4 on the 123 features of a9a. If it is a diagonal, the
gap was 6 to 19 % on MNIST and on words. The precision of a softmax ignores correlations
between outputs: the gap is below 1e-3 in test_experts.py. The model follows a drift only
after about 30 rows per coefficient.

Rows may be on a device, in any array library. They stay there: points move to the device,
and sums over the rows to the host, where experts are and where the algebra runs.

References
----------
O. Chapelle and L. Li, "An empirical evaluation of Thompson sampling", NeurIPS 2011,
algorithm 3: the recursion, with a diagonal precision and one step per batch.

T. McCormick, A. Raftery, D. Madigan and R. Burd, "Dynamic logistic regression and dynamic
model averaging for binary classification", Biometrics 68, 2012, section 2: full precision,
forgetting, and models weighted by their predictions.

H. B. McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013: a penalty
beside the sums over the rows seen.

S. Ross, P. Mineiro and J. Langford, "Normalized online learning", UAI 2013: units that
follow the data, updated before it is learned.

T. Chan, G. Golub and R. LeVeque, "Algorithms for computing the sample variance", The
American Statistician 37, 1983, equation 2.1: moments of a union from those of its parts.
"""

from math import exp, isinf
from typing import NamedTuple

import numpy as np
from scipy.sparse import hstack, issparse

from ..arrays import Matrix, Rows, Vector, as_type, moved_to, namespace, to_numpy
from ..epochs import compiled
from ..objective.losses import LOSSES, Loss
from ..objective.penalties import Penalty, soft_threshold
from ..rows import batches, widened
from ..types import Dataset
from .coordinates import Coordinates
from .expert_minimum import (
    MAX_COEFFICIENTS,
    Objective,
    hessian_blocks,
    minimum,
    prior_of_intercept,
    squares,
    times,
)
from .records import KnownRows

# Rows that each expert remembers per coefficient of an output; more than MAX_COEFFICIENTS
# count as that many.
ROWS_REMEMBERED = (np.inf, 100.0, 30.0)
# If the precision matrices of all outputs have more numbers, only diagonals are kept.
MAX_PRECISION_NUMBERS = 2**17
# Rows that are learned at once; with few features, sparse ones are made dense.
BATCH_SIZE = 1000
# Features of a diagonal that stay in the cache.
FEATURES_AT_ONCE = 2**13
# Scores fade over about ROWS_COMPARED rows. A row counts at most MAX_NATS, because outliers
# say little. Experts that forget must be better by HANDICAP nats.
ROWS_COMPARED, MAX_NATS, HANDICAP = 1000.0, 10.0, 5.0
# Experts with a smaller share of the mean are left out.
MIN_SHARE = 0.01
# A deviation below this part of the mean may be a rounding error.
ROUNDING_OF_DEVIATION = 1e-12
# Penalties, divided by its square, stay finite.
MIN_SCALE = 1e-140


class StreamMemory(NamedTuple):
    """The experts: float64 arrays whose first axis is the expert.

    With p features and k outputs, points have shape (p + 1, k), intercepts last, in the
    units u = (x - centre) / scale. A single expert has the same type, without the first
    axis.
    """

    centre: Vector  # (p,)
    scale: Vector  # (p,)
    variance: Vector  # (p,), about the centre; if not centred, of non-zero values about 0
    mass: Vector  # (p,), number of rows behind the variance
    point: Matrix  # (p + 1, k), coefficients
    slope: Matrix  # (p + 1, k)
    precision: Matrix  # (k, p + 1, p + 1), or (p + 1, k) for a diagonal
    n_rows: Vector  # ()
    score: Vector  # (), recent loss of its predictions, nats

    def averaged(self, theta: Vector) -> Vector:
        """Return theta, which is the mean over the experts already."""
        return theta


class Batch(NamedTuple):
    """Rows that are learned at once, and how; the arrays may be on a device."""

    X: Rows  # (n, p), float64; of CSR rows only the `columns`
    y: Matrix
    weight: Vector  # (n,)
    n_rows: float  # sum of the weights
    loss: Loss
    penalty: Penalty
    fit_intercept: bool
    centred: bool
    columns: Vector | None = None  # of CSR rows, those with values; None: all


def shape_of_precision(n_features: int, n_outputs: int) -> tuple:
    """Return the shape of the precision of an expert: matrices, or a diagonal."""
    n = n_features + 1
    is_full = n_outputs * n * n <= MAX_PRECISION_NUMBERS
    return (n_outputs, n, n) if is_full else (n, n_outputs)


def empty_memory(n_features: int, n_outputs: int) -> StreamMemory:
    """Return the StreamMemory before the first row."""
    n, shape = n_features + 1, shape_of_precision(n_features, n_outputs)
    n_experts = len(ROWS_REMEMBERED)
    return StreamMemory(
        centre=np.zeros((n_experts, n_features)),
        scale=np.ones((n_experts, n_features)),
        variance=np.zeros((n_experts, n_features)),
        mass=np.zeros((n_experts, n_features)),
        point=np.zeros((n_experts, n, n_outputs)),
        slope=np.zeros((n_experts, n, n_outputs)),
        precision=np.zeros((n_experts, *shape)),
        n_rows=np.zeros(n_experts),
        score=np.zeros(n_experts),
    )


def memory_of_model(theta: Vector, known: KnownRows) -> StreamMemory:
    """Return the StreamMemory that resumes from a model fitted by another method.

    The rows behind the model become a quadratic. Together with the penalty, its minimum is
    at the model.

    Parameters
    ----------
    theta : array of shape (n_parameters,)
        In the user's units.
    known : KnownRows
        Of the model. Its diagonal has no correlations between features: so the stream
        changes the model more slowly than the rows themselves would. An expert that forgets
        counts at most as many rows as it remembers.
    """
    coordinates, diagonal, n_rows, penalty = known
    memory = empty_memory(len(diagonal) - 1, diagonal.shape[1])
    point, scale = coordinates.point_of(theta), coordinates.scale
    lengths = np.minimum(rows_remembered(len(point)), n_rows)
    weight = point[:-1] / scale[:, None]
    pull = (penalty.l2 * weight + penalty.l1 * np.sign(weight)) / scale[:, None]
    slope = np.vstack([-pull, np.zeros_like(point[-1:])])
    precision = lengths[:, None, None] * np.asarray(diagonal, dtype=np.float64)
    if memory.precision.ndim == 4:
        precision = precision.swapaxes(1, 2)[..., None] * np.eye(len(point))
    each = np.ones((len(lengths), 1))
    return memory._replace(
        centre=each * coordinates.centre,
        scale=each * scale,
        variance=each * scale**2,
        mass=lengths[:, None] * np.ones(len(scale)),
        point=each[..., None] * point,
        slope=lengths[:, None, None] * slope,
        precision=precision,
        n_rows=lengths,
    )


def with_theta(memory: StreamMemory, theta: Vector) -> StreamMemory:
    """Return the memory with all experts at theta (n_parameters,), in the user's units.

    They keep their precision. The slope becomes 0, so that the minimum is at theta.
    """
    points = [
        Coordinates(expert.centre, expert.scale).point_of(theta)
        for expert in experts_of(memory)
    ]
    return memory._replace(point=np.stack(points), slope=np.zeros_like(memory.slope))


def rows_remembered(n_coefficients: int) -> Vector:
    """Return the number of rows that each expert remembers, for a model of this size."""
    return np.array(ROWS_REMEMBERED) * min(n_coefficients, MAX_COEFFICIENTS)


def learn(memory: StreamMemory, data: Dataset, penalty: Penalty, fit_intercept: bool):
    """Return the StreamMemory after the rows of `data`, and their objective before.

    Parameters
    ----------
    memory : StreamMemory
        It is not changed.
    data : Dataset
        Rows in order, dense or CSR. CSR rows are not centred if the precision is a
        diagonal.
    penalty : Penalty
        Of a mean loss; it is multiplied by the number of rows seen.
    fit_intercept : bool
        If False, intercepts stay as they are, and rows are not centred.

    Returns
    -------
    memory : StreamMemory
    objective : float
        Mean loss of the rows, each before its batch is learned, plus the penalty at that
        time (nats).
    """
    loss = LOSSES["log_loss", "softmax" if data.y.ndim == 1 else "logistic"]
    total, n_rows = 0.0, 0.0
    for rows in map(widened, batches(data, None, BATCH_SIZE)):
        X, y, weight = rows.X, rows.y, rows.sample_weight
        xp, n = namespace(y), float(rows.n_samples)
        if weight is None:
            weight = xp.ones(rows.n_samples, dtype=xp.float64, device=y.device)
        else:
            n = float(xp.sum(weight))
        if not n > 0:
            continue
        if issparse(X) and memory.precision.ndim == 4:
            X = X.toarray()  # few features: dense products are faster
        centred, columns = fit_intercept and not issparse(X), None
        if issparse(X):
            X, columns = columns_with_values(X)
        batch = Batch(X, y, weight, n, loss, penalty, fit_intercept, centred, columns)
        lengths = rows_remembered(memory.point.shape[1])
        if compiled.supports_experts(memory, batch):
            memory, objective = compiled.learn(memory, lengths, batch)
        else:
            memory, objective = learned_by_all(memory, lengths, batch)
        total += n * objective
        n_rows += n
    return memory, total / max(n_rows, np.finfo(np.float64).tiny)


def columns_with_values(X):
    """Return those columns of CSR rows that have other values than 0, and their numbers."""
    if not X.data.all():
        X = X.copy()
        X.eliminate_zeros()
    columns, indices = np.unique(X.indices, return_inverse=True)
    shape = X.shape[0], len(columns)
    return type(X)((X.data, indices, X.indptr), shape=shape), columns


def learned_by_all(memory: StreamMemory, lengths: Vector, batch: Batch):
    """Return the StreamMemory after a batch, and the objective of the mean model before."""
    objective = batch_objective(mean_model(memory), batch)
    if batch.columns is not None:
        return learned_by_columns(memory, lengths, batch), objective
    learned = [
        learn_batch(scored(expert, batch), length, batch)
        for expert, length in zip(experts_of(memory), lengths, strict=True)
    ]
    arrays = (np.stack(arrays) for arrays in zip(*learned, strict=True))
    return StreamMemory(*arrays), objective


def learned_by_columns(memory: StreamMemory, lengths: Vector, batch: Batch):
    """Return the StreamMemory after a batch of CSR rows.

    Only columns with values in the batch need Newton steps. In any other column, the sum is
    a quadratic and a penalty, whose minimum is a formula.
    """
    memory = StreamMemory(*(array.copy() for array in memory))
    for i, length in enumerate(lengths):
        expert = experts_of(memory)[i]  # views, and two numbers
        if expert.centre.any():
            uncentred = in_units(expert, np.zeros_like(expert.centre), expert.scale)
            set_columns(expert, slice(None), uncentred)
        part = columns_of(expert, batch.columns)
        keep = np.exp(-batch.n_rows / length)
        mass = keep * (expert.mass.sum() - part.mass.sum())  # of the other columns
        is_young = expert.mass.max() < length / 2
        part = learn_columns(scored(part, batch), batch, keep, is_young, mass)
        mass = mass + part.mass.sum()
        forget(expert._replace(n_rows=part.n_rows), keep, mass, batch.penalty)
        set_columns(expert, batch.columns, part)
        memory.n_rows[i], memory.score[i] = part.n_rows, part.score
    return memory


def columns_of(expert: StreamMemory, columns) -> StreamMemory:
    """Return a copy of the expert with some of its features only."""
    rows = np.append(columns, len(expert.scale))
    of_features = (array[columns] for array in expert[:4])
    of_coefficients = (array[rows] for array in expert[4:7])
    return StreamMemory(*of_features, *of_coefficients, *expert[7:])


def set_columns(expert: StreamMemory, columns, part: StreamMemory):
    """Write the features of `part` to columns of the arrays of the expert."""
    for array, values in zip(expert[:4], part[:4], strict=True):
        array[columns] = values
    for array, values in zip(expert[4:7], part[4:7], strict=True):
        array[:-1][columns] = values[:-1]
        array[-1] = values[-1]


def forget(expert: StreamMemory, keep: float, mass: float, penalty: Penalty):
    """Forget, and move to the minimum without new rows: all in place, but the intercepts.

        slope (x - point) + 1/2 precision (x - point)^2 + ridge / 2 x^2 + l1 |x|

    `mass` is the sum of that of all features, at the end. Blocks of features stay in the
    cache.
    """
    n_rows = expert.n_rows
    prior = prior_of_intercept(n_rows) * (1.0 + mass / n_rows)
    for start in range(0, len(expert.scale), FEATURES_AT_ONCE):
        block = slice(start, min(start + FEATURES_AT_ONCE, len(expert.scale)))
        inverse = 1 / expert.scale[block, None]
        point, slope, precision = (array[block] for array in expert[4:7])
        if keep < 1:
            for array in (expert.mass[block], slope, precision):
                array *= keep
        pull = precision * point - slope
        if penalty.l1:
            pull = soft_threshold(pull, n_rows * penalty.l1 * inverse)
        x = pull / (precision + (prior + n_rows * penalty.l2 * inverse**2))
        slope += precision * (x - point)
        point[:] = x


def mean_model(memory: StreamMemory):
    """Return weight (n_features, n_outputs) and intercept (n_outputs,), user's units."""
    weight, intercept = 0.0, 0.0
    for share, expert in zip(shares(memory), experts_of(memory), strict=True):
        if share != 0:
            one_weight, one_intercept = model_of(expert)
            weight = weight + share * one_weight
            intercept = intercept + share * one_intercept
    return weight, intercept


def shares(memory: StreamMemory) -> list:
    """Return the share of each expert in the mean, with Python's fast numbers."""
    scores = memory.score.tolist()
    handicaps = [0.0 if isinf(rows) else HANDICAP for rows in ROWS_REMEMBERED]
    best = min(scores)
    share = [exp(best - s - h) for s, h in zip(scores, handicaps, strict=True)]
    least = MIN_SHARE * sum(share)
    share = [0.0 if one < least else one for one in share]
    return [one / sum(share) for one in share]


def experts_of(memory: StreamMemory):
    """Return the list of single experts, as views."""
    return [StreamMemory(*arrays) for arrays in zip(*memory, strict=True)]


def model_of(expert: StreamMemory):
    """Return weight and intercept of one expert, in the user's units."""
    weight = expert.point[:-1] / expert.scale[:, None]
    return weight, expert.point[-1] - expert.centre @ weight


def batch_objective(model, batch: Batch) -> float:
    """Return the mean loss of (weight, intercept) on the batch, plus the penalty."""
    weight = model[0] if batch.columns is None else model[0][batch.columns]
    mean = float(batch.weight @ losses(batch, weight, model[1])) / batch.n_rows
    return mean + batch.penalty.value(model[0].reshape(-1))


def losses(batch: Batch, weight, intercept):
    """Return the loss (n,) of each row for a model on the host."""
    weight, intercept = (moved_to(batch.y, array) for array in (weight, intercept))
    return batch.loss.value_and_gradient(batch.X @ weight + intercept, batch.y)[0]


def scored(expert: StreamMemory, batch: Batch) -> StreamMemory:
    """Return the expert with the loss of its prediction of the batch in its score."""
    values = losses(batch, *model_of(expert))
    fade = np.exp(-batch.n_rows / ROWS_COMPARED)
    loss = float(batch.weight @ namespace(values).clip(values, None, MAX_NATS))
    score = fade * expert.score + loss
    return expert._replace(score=score)


def learn_batch(expert: StreamMemory, n_remembered: float, batch: Batch) -> StreamMemory:
    """Return the expert, which remembers `n_remembered` rows, after the batch."""
    keep = np.exp(-batch.n_rows / n_remembered)
    # During the first half of its rows, an expert's units improve; they do not drift.
    is_young = np.max(expert.mass) < n_remembered / 2
    return learn_columns(expert, batch, keep, is_young)


def learn_columns(expert, batch, keep, is_young, mass=0.0) -> StreamMemory:
    """Return the expert after the batch; the rows of other features are `mass` in sum.

    `keep` is what it does not forget. If it `is_young`, its units improve; they do not
    drift.
    """
    expert = with_units_of(batch, expert, keep, exactly=is_young)
    expert = expert._replace(
        slope=expert.slope * keep,
        precision=expert.precision * keep,
        n_rows=expert.n_rows * keep + batch.n_rows,
    )
    Z = rows_for(expert, batch)
    point = minimum(Objective(expert, batch, Z, mass + expert.mass.sum()))
    logits = Z @ moved_to(batch.y, point)
    proba = batch.loss.predict_proba(logits)
    curvature = batch.weight[:, None] * proba * (1 - proba)
    delta = batch.loss.value_and_gradient(logits, batch.y)[1]
    pull = expert.slope + times(expert.precision, point - expert.point)
    slope = pull + to_numpy(Z.T @ (batch.weight[:, None] * delta))
    if expert.precision.ndim == 2:
        precision = expert.precision + to_numpy(squares(Z).T @ curvature)
    else:
        precision = expert.precision + np.stack(list(hessian_blocks(Z, curvature)))
    return expert._replace(point=point, slope=slope, precision=precision)


def with_units_of(batch, expert, keep, exactly):
    """Return the expert in units that are updated by the batch's rows.

    `exactly` converts it, so that it predicts the same; else its numbers stay the same.
    """
    if not batch.centred and expert.centre.any():
        expert = in_units(expert, np.zeros_like(expert.centre), expert.scale)
    mean, variance, mass = moments(batch)
    old, total = keep * expert.mass, keep * expert.mass + mass
    part = mass / np.where(total > 0, total, 1.0)  # the batch's part of the mass
    shift = mean - expert.centre
    centre = expert.centre + part * shift
    spread = shift**2 * part * (1 - part)
    variance = (1 - part) * expert.variance + part * variance + spread
    # A column that has not varied may have any unit.
    unit = np.where(old > 0, expert.scale, np.where(centre == 0, 1.0, np.abs(centre)))
    deviation = np.sqrt(variance)
    scale = np.where(deviation <= ROUNDING_OF_DEVIATION * np.abs(centre), unit, deviation)
    scale = np.maximum(scale, MIN_SCALE)
    if exactly:
        expert = in_units(expert, centre, scale)
    return expert._replace(centre=centre, scale=scale, variance=variance, mass=total)


def moments(batch):
    """Return mean, variance and number of rows of each feature, arrays (n_features,).

    Sparse rows are mostly zeros, which tell nothing about units. So if rows are not centred
    (dense ones without intercept, too), the mean is 0, and variance and number are those of
    the non-zero values.
    """
    X, weight = batch.X, batch.weight
    if batch.centred:
        total = batch.n_rows
        mean = weight @ X / total
        variance = weight @ (X - mean) ** 2 / total
        return to_numpy(mean), to_numpy(variance), np.full(X.shape[1], total)
    is_value = X != 0
    if not isinstance(weight, np.ndarray):
        is_value = as_type(is_value, X.dtype)  # only NumPy multiplies them by numbers
    mass = to_numpy(is_value.T @ weight)
    variance = to_numpy(squares(X).T @ weight) / np.where(mass > 0, mass, 1.0)
    return np.zeros(X.shape[1]), variance, mass


def in_units(expert, centre, scale):
    """Return the expert converted to other units, in which it predicts the same.

    Rows become u' = (u - shift) * ratio. Slope and precision are sums of rows and of their
    products, and change accordingly; the point changes so that logits stay the same. A
    diagonal precision loses the terms that leave the diagonal.
    """
    ratio = (expert.scale / scale)[:, None]
    shift = ((centre - expert.centre) / expert.scale)[:, None]

    def moved(sums):  # (p + 1, any)
        return np.concatenate([(sums[:-1] - shift * sums[-1:]) * ratio, sums[-1:]])

    intercept = expert.point[-1:] + np.sum(shift * expert.point[:-1], axis=0)
    if expert.precision.ndim == 2:
        precision = expert.precision * np.append(ratio, 1.0)[:, None] ** 2
    else:
        precision = np.stack([moved(moved(one).T).T for one in expert.precision])
    return expert._replace(
        centre=centre,
        scale=scale,
        point=np.concatenate([expert.point[:-1] / ratio, intercept]),
        slope=moved(expert.slope),
        precision=precision,
    )


def rows_for(expert, batch):
    """Return the batch's rows in the expert's units, with a column of ones."""
    xp = namespace(batch.weight)
    ones = xp.ones_like(batch.weight)[:, None]
    if not issparse(batch.X):
        centre, scale = (moved_to(batch.y, array) for array in expert[:2])
        return xp.concat([(batch.X - centre) / scale, ones], axis=1)
    return hstack([batch.X.multiply(1 / expert.scale), ones], format="csr")
