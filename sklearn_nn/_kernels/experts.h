/* Mirror of experts.py and expert_minimum.py: the experts of a stream learn dense rows.
 *
 * Without l1, and with matrices as precisions. Experts have double numbers only. Points of k
 * outputs lie here as (k, p + 1), so that each output is contiguous.
 */
#ifndef SKLEARN_NN_EXPERTS_H
#define SKLEARN_NN_EXPERTS_H

#if REAL_IS_DOUBLE
#include "linear_passes.h"
#include "losses.h"
#include "products.h"

/* The constants of the Python files. */
enum { MAX_COEFFICIENTS = 256, MAX_NEWTON_STEPS = 10, MAX_LENGTHS = 20 };
enum { MAX_PRODUCTS = 100 };
#define ROWS_COMPARED 1000.0
#define MAX_NATS 10.0
#define HANDICAP 5.0
#define MIN_SHARE 0.01
#define PRIOR 0.25
#define PRIOR_ROWS 50.0
#define TOLERANCE 0.1
#define FORCING_TERM 0.1
#define ROUNDING_OF_DEVIATION 1e-12
#define MIN_SCALE 1e-140

/* One expert, of which all is IN-OUT. */
struct expert {
    real *centre, *scale, *variance, *mass; /* (p,) */
    real *point, *slope;                    /* (k, p + 1) */
    real *precision;                        /* (k, p + 1, p + 1) */
    real *n_rows, *score;
};

struct learner {
    const struct chunk *chunk;
    enum loss loss;
    int64_t n, p, k, width, size; /* width = p + 1, size = k width */
    real total;                   /* weight of the batch */
    real *mean, *variance, *mass; /* (p,), moments of the batch */
    real *centre, *scale;         /* (p,), new units */
    real *Z, *scaled;             /* (n, width) rows in an expert's units, with a 1 */
    real *logits, *delta, *proba, *change, *scratch;              /* (n, k) */
    real *ridge, *x, *goal, *trial, *gradient, *trial_gradient; /* (k, width) */
    real *pull, *move, *towards, *direction, *product, *unit;   /* (k, width) */
    real *model;  /* (1 + n_experts, k, width): of the mean, and of each expert */
    real *blocks; /* (k, width, width) */
    real *panel;
    struct blas no_blas;
};

/* values (n, k) <- rows x^T, for rows (n, columns) that are `columns` apart */
static void logits_at(
    const struct learner *b, const real *rows, int64_t columns, const real *x, real *values)
{
    product(b->n, b->k, columns, rows, columns, 1, x, 1, b->width, values, 0, b->panel,
            &b->no_blas);
}

/* sums (k, width) <- values^T Z */
static void sums_of_rows(const struct learner *b, const real *values, real *sums) {
    product(b->k, b->width, b->n, values, 1, b->k, b->Z, b->width, 1, sums, 0, b->panel,
            &b->no_blas);
}

/* y_o <- precision_o x_o for each output */
static void times(const struct learner *b, const real *precision, const real *x, real *y) {
    int64_t width = b->width;
    for (int64_t j = 0; j < b->size; j++)
        y[j] = dot(width, precision + j * width, x + j / width * width);
}

/* Mean, variance and number of rows of each feature. */
static void moments(struct learner *b) {
    int64_t p = b->p;
    const real *X = b->chunk->X, *weight = b->chunk->weight;
    memset(b->mean, 0, sizeof(real) * p);
    memset(b->variance, 0, sizeof(real) * p);
    memset(b->mass, 0, sizeof(real) * p);
    if (b->chunk->fit_intercept) {
        for (int64_t i = 0; i < b->n; i++) add_multiple(p, weight[i], X + i * p, b->mean);
        for (int64_t j = 0; j < p; j++) b->mean[j] /= b->total;
    }
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t j = 0; j < p; j++) {
            real x = X[i * p + j], deviation = x - b->mean[j];
            b->variance[j] += weight[i] * deviation * deviation;
            b->mass[j] += b->chunk->fit_intercept || x != 0 ? weight[i] : 0;
        }
    for (int64_t j = 0; j < p; j++) b->variance[j] /= b->mass[j] > 0 ? b->mass[j] : 1;
}

/* Weight and intercept of an expert, in the user's units. */
static void model_of(const struct learner *b, const struct expert *e, real *model) {
    for (int64_t o = 0; o < b->k; o++) {
        const real *point = e->point + o * b->width;
        real *theta = model + o * b->width;
        for (int64_t j = 0; j < b->p; j++) theta[j] = point[j] / e->scale[j];
        theta[b->p] = point[b->p] - dot(b->p, e->centre, theta);
    }
}

/* Sum over the rows of w_i min(loss_i, most) of a model. */
static real loss_of_model(const struct learner *b, const real *model, real most) {
    real sum = 0;
    int64_t k = b->k, y_size = bytes_of_y(b->loss, k);
    logits_at(b, b->chunk->X, b->p, model, b->logits);
    for (int64_t i = 0; i < b->n; i++) {
        real *logits = b->logits + i * k;
        for (int64_t o = 0; o < k; o++) logits[o] += model[o * b->width + b->p];
        const char *y = (const char *)b->chunk->y + i * y_size;
        real value = value_and_gradient(b->loss, 1, k, logits, y, NULL, b->scratch, b->delta);
        sum += b->chunk->weight[i] * (value > most ? most : value);
    }
    return sum;
}

/* Mean loss of the mean model, plus the penalty; the models of experts are known. */
static real objective_of_mean(
    const struct learner *b, int64_t n_experts, const real *score, const double *remembered)
{
    real *mean = b->model, *models = b->model + b->size, least = score[0], sum = 0, rest = 0;
    for (int64_t e = 1; e < n_experts; e++) least = score[e] < least ? score[e] : least;
#define SHARE(e) exp(least - score[e] - (isinf(remembered[e]) ? 0 : HANDICAP))
    for (int64_t e = 0; e < n_experts; e++) sum += SHARE(e);
    for (int64_t e = 0; e < n_experts; e++) rest += SHARE(e) < MIN_SHARE * sum ? 0 : SHARE(e);
    memset(mean, 0, sizeof(real) * b->size);
    for (int64_t e = 0; e < n_experts; e++)
        if (!(SHARE(e) < MIN_SHARE * sum))
            add_multiple(b->size, SHARE(e) / rest, models + e * b->size, mean);
#undef SHARE
    real squares = 0;
    for (int64_t o = 0; o < b->k; o++)
        squares += dot(b->p, mean + o * b->width, mean + o * b->width);
    return loss_of_model(b, mean, INFINITY) / b->total + b->chunk->l2 / 2 * squares;
}

/* Convert the expert to other units, in which it predicts the same. */
static void in_units(
    const struct learner *b, struct expert *e, const real *centre, const real *scale)
{
    int64_t p = b->p, width = b->width;
#define RATIO(j) (e->scale[j] / scale[j])
#define SHIFT(j) ((centre[j] - e->centre[j]) / e->scale[j])
    for (int64_t o = 0; o < b->k; o++) {
        real *point = e->point + o * width, *slope = e->slope + o * width;
        real *precision = e->precision + o * width * width, *last = precision + p * width;
        for (int64_t j = 0; j < p; j++) {
            real ratio = RATIO(j), shift = SHIFT(j);
            point[p] += shift * point[j];
            point[j] /= ratio;
            slope[j] = (slope[j] - shift * slope[p]) * ratio;
            real *row = precision + j * width;
            for (int64_t l = 0; l < width; l++) row[l] = (row[l] - shift * last[l]) * ratio;
        }
        for (int64_t j = 0; j < width; j++) {
            real *row = precision + j * width;
            for (int64_t l = 0; l < p; l++) row[l] = (row[l] - SHIFT(l) * row[p]) * RATIO(l);
        }
    }
#undef RATIO
#undef SHIFT
    memcpy(e->centre, centre, sizeof(real) * p);
    memcpy(e->scale, scale, sizeof(real) * p);
}

/* Update the units by the moments of the batch, `exactly` or with the same numbers. */
static void update_units(struct learner *b, struct expert *e, real keep, int exactly) {
    int64_t p = b->p, is_centred = 0;
    for (int64_t j = 0; j < p; j++) is_centred |= e->centre[j] != 0;
    memset(b->centre, 0, sizeof(real) * p);
    if (!b->chunk->fit_intercept && is_centred) {
        memcpy(b->scale, e->scale, sizeof(real) * p);
        in_units(b, e, b->centre, b->scale);
    }
    for (int64_t j = 0; j < p; j++) {
        real old = keep * e->mass[j], total = old + b->mass[j];
        real part = b->mass[j] / (total > 0 ? total : 1), shift = b->mean[j] - e->centre[j];
        real centre = e->centre[j] + part * shift, spread = shift * shift * part * (1 - part);
        e->variance[j] = (1 - part) * e->variance[j] + part * b->variance[j] + spread;
        e->mass[j] = total;
        real unit = old > 0 ? e->scale[j] : centre == 0 ? 1 : absolute(centre);
        real deviation = sqrt(e->variance[j]);
        real scale = deviation <= ROUNDING_OF_DEVIATION * absolute(centre) ? unit : deviation;
        b->centre[j] = centre;
        b->scale[j] = scale < MIN_SCALE ? MIN_SCALE : scale;
    }
    if (exactly) in_units(b, e, b->centre, b->scale);
    memcpy(e->centre, b->centre, sizeof(real) * p);
    memcpy(e->scale, b->scale, sizeof(real) * p);
}

/* Z <- rows in the expert's units, with a column of ones */
static void rows_for(const struct learner *b, const struct expert *e) {
    int64_t p = b->p;
    for (int64_t i = 0; i < b->n; i++) {
        const real *x = b->chunk->X + i * p;
        real *z = b->Z + i * b->width;
        for (int64_t j = 0; j < p; j++) z[j] = (x[j] - e->centre[j]) / e->scale[j];
        z[p] = 1;
    }
}

/* Factors of x^2 / 2 for all rows: prior and penalty. */
static void set_ridge(const struct learner *b, const struct expert *e) {
    int64_t p = b->p, width = b->width;
    real n_rows = *e->n_rows, mass = 0;
    real most = (real)(width < MAX_COEFFICIENTS ? width : MAX_COEFFICIENTS);
    for (int64_t j = 0; j < p; j++) mass += e->mass[j];
    for (int64_t j = 0; j < width; j++) {
        real seen = j < p ? e->mass[j] : n_rows, prior = PRIOR;
        if (j < p) prior *= 1 + mass / n_rows;
        prior *= 1 + PRIOR_ROWS / n_rows;
        prior /= 1 + seen / most;
        if (j < p) prior += n_rows * b->chunk->l2 * (1 / (e->scale[j] * e->scale[j]));
        for (int64_t o = 0; o < b->k; o++) b->ridge[o * width + j] = prior;
    }
}

/* Set elements of intercepts that are not trained to 0. */
static void only_trained(const struct learner *b, real *values) {
    for (int64_t o = 0; o < b->k && !b->chunk->fit_intercept; o++)
        values[o * b->width + b->p] = 0;
}

/* The objective at x, and the gradient there. Sets logits and delta. */
static real evaluate(const struct learner *b, const struct expert *e, const real *x, real *gradient)
{
    logits_at(b, b->Z, b->width, x, b->logits);
    real objective = value_and_gradient(b->loss, b->n, b->k, b->logits, b->chunk->y,
                                        b->chunk->weight, b->scratch, b->delta);
    sums_of_rows(b, b->delta, gradient);
    for (int64_t j = 0; j < b->size; j++) b->move[j] = x[j] - e->point[j];
    times(b, e->precision, b->move, b->pull);
    for (int64_t j = 0; j < b->size; j++) {
        objective += b->move[j] * (e->slope[j] + b->pull[j] / 2);
        objective += x[j] * x[j] * b->ridge[j] / 2;
        gradient[j] += e->slope[j] + b->pull[j] + b->ridge[j] * x[j];
    }
    only_trained(b, gradient);
    return objective;
}

/* proba, and change <- w p (1 - p), from the logits */
static void curvature(const struct learner *b) {
    output_of(b->k == 1 ? AS_LOGISTIC : AS_SOFTMAX, b->n, b->k, b->logits, b->scratch, b->proba);
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t o = 0; o < b->k; o++) {
            real proba = b->proba[i * b->k + o];
            b->change[i * b->k + o] = b->chunk->weight[i] * proba * (1 - proba);
        }
}

/* matrix <- [matrix +] Z^T diag(change_o) Z */
static void outer_products_of(const struct learner *b, int64_t o, real *matrix, int accumulate) {
    int64_t width = b->width;
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t j = 0; j < width; j++)
            b->scaled[i * width + j] = b->Z[i * width + j] * b->change[i * b->k + o];
    product(width, width, b->n, b->scaled, 1, width, b->Z, width, 1, matrix, accumulate,
            b->panel, &b->no_blas);
}

/* The factor L of a matrix L L^T, in its lower half; return whether there is one. */
static int factorise(int64_t n, real *matrix) {
    for (int64_t i = 0; i < n; i++) {
        real *row = matrix + i * n;
        for (int64_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(j, row, matrix + j * n)) / matrix[j * n + j];
        real pivot = row[i] - dot(i, row, row);
        if (!(pivot > 0) || isinf(pivot)) return 0;
        row[i] = sqrt(pivot);
    }
    return 1;
}

/* values <- (L L^T)^-1 values */
static void solve(int64_t n, const real *factor, real *values) {
    for (int64_t i = 0; i < n; i++)
        values[i] = (values[i] - dot(i, factor + i * n, values)) / factor[i * n + i];
    for (int64_t i = n - 1; i >= 0; i--) {
        values[i] /= factor[i * n + i];
        add_multiple(i, -values[i], factor + i * n, values);
    }
}

/* Factorise the Hessian's block of each output, in units in which its diagonal is 1; see
 * solver_of. Return whether that works. */
static int factorise_blocks(const struct learner *b, const struct expert *e) {
    int64_t n = b->width, works = 1;
    for (int64_t o = 0; o < b->k && works; o++) {
        real *unit = b->unit + o * n, *ridge = b->ridge + o * n, *block = b->blocks + o * n * n;
        outer_products_of(b, o, block, 0);
        for (int64_t j = 0; j < n * n; j++) block[j] += e->precision[o * n * n + j];
        for (int64_t j = 0; j < n; j++) block[j * n + j] += ridge[j];
        if (!b->chunk->fit_intercept) {
            for (int64_t j = 0; j < n; j++) block[b->p * n + j] = block[j * n + b->p] = 0;
            block[n * n - 1] = 1;
        }
        for (int64_t j = 0; j < n; j++) unit[j] = 1 / sqrt(block[j * n + j]);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) block[i * n + j] *= unit[j] * unit[i];
        works = factorise(n, block);
    }
    return works;
}

/* unit^2 <- 1 / diagonal of the Hessian, from change = w p (1 - p) */
static void units_of_diagonal(const struct learner *b, const struct expert *e) {
    int64_t n = b->n, width = b->width;
    for (int64_t j = 0; j < n * width; j++) b->scaled[j] = b->Z[j] * b->Z[j];
    product(b->k, width, n, b->change, 1, b->k, b->scaled, width, 1, b->unit, 0, b->panel,
            &b->no_blas);
    for (int64_t j = 0; j < b->size; j++)
        b->unit[j] = 1 / sqrt(b->unit[j] + b->ridge[j] + e->precision[j * width + j % width]);
}

/* towards <- residual times the inverse of the blocks, or of the diagonal; return their
 * product, the size of the residual. */
static real precondition(const struct learner *b, int by_blocks, const real *residual) {
    for (int64_t j = 0; j < b->size; j++) b->towards[j] = b->unit[j] * residual[j];
    for (int64_t o = 0; o < b->k && by_blocks; o++)
        solve(b->width, b->blocks + o * b->width * b->width, b->towards + o * b->width);
    for (int64_t j = 0; j < b->size; j++) b->towards[j] *= b->unit[j];
    return dot(b->size, residual, b->towards);
}

/* product <- Hessian direction */
static void hessian_product(const struct learner *b, const struct expert *e) {
    logits_at(b, b->Z, b->width, b->direction, b->logits);
    curvature_product(b->k > 1, b->n, b->k, b->proba, b->chunk->weight, b->logits, b->change);
    sums_of_rows(b, b->change, b->product);
    times(b, e->precision, b->direction, b->pull);
    for (int64_t j = 0; j < b->size; j++)
        b->product[j] += b->pull[j] + b->ridge[j] * b->direction[j];
    only_trained(b, b->product);
}

/* goal <- nearly the minimum of the quadratic model at x; return the decrease. See
 * minimise_smooth. */
static real set_goal(const struct learner *b, const struct expert *e) {
    real *x = b->goal, *residual = b->move, decreases[MAX_PRODUCTS + 1] = {0};
    int by_blocks = factorise_blocks(b, e), t = 0;
    if (!by_blocks) units_of_diagonal(b, e);
    memcpy(x, b->x, sizeof(real) * b->size);
    memcpy(residual, b->gradient, sizeof(real) * b->size);
    real size = precondition(b, by_blocks, residual);
    if (b->k == 1 && by_blocks) {
        add_multiple(b->size, -1, b->towards, x);
        return size / 2;
    }
    memcpy(b->direction, b->towards, sizeof(real) * b->size);
    while (size > 0 && t < MAX_PRODUCTS) {
        hessian_product(b, e);
        real curvature = dot(b->size, b->direction, b->product);
        if (!(curvature > 0)) break;
        real length = size / curvature, last = length * size / 2, last_size = size;
        add_multiple(b->size, -length, b->direction, x);
        add_multiple(b->size, -length, b->product, residual);
        real decrease = decreases[t] + last, part = FORCING_TERM * decrease;
        decreases[++t] = decrease;
        size = precondition(b, by_blocks, residual);
        for (int64_t j = 0; j < b->size; j++)
            b->direction[j] = b->towards[j] + size / last_size * b->direction[j];
        if (!(last > DBL_EPSILON * decrease) || size < part) break;
        if (t > 1 && decrease - decreases[t / 2] < part) break;
    }
    return decreases[t];
}

/* x <- a lower point between x and goal, with its gradient; return the objective there, or
 * NaN if none was found. */
static real line_search(struct learner *b, const struct expert *e, real objective, real decrease)
{
    real length = 1;
    for (int i = 0; i < MAX_LENGTHS; i++, length /= 2) {
        for (int64_t j = 0; j < b->size; j++)
            b->trial[j] = b->x[j] + length * (b->goal[j] - b->x[j]);
        real found = evaluate(b, e, b->trial, b->trial_gradient);
        real sufficient = objective - 1e-4 * length * decrease;
        if (found <= sufficient + 1e-12 * absolute(objective)) {
            memcpy(b->x, b->trial, sizeof(real) * b->size);
            memcpy(b->gradient, b->trial_gradient, sizeof(real) * b->size);
            return found;
        }
    }
    return NAN;
}

/* x <- the minimum of batch, seen, penalty and prior, to about TOLERANCE nats */
static void minimum(struct learner *b, const struct expert *e) {
    memcpy(b->x, e->point, sizeof(real) * b->size);
    real objective = evaluate(b, e, b->x, b->gradient);
    for (int step = 0; step < MAX_NEWTON_STEPS; step++) {
        curvature(b);
        real decrease = set_goal(b, e);
        real found = line_search(b, e, objective, decrease);
        if (isnan(found)) return;
        objective = found;
        if (decrease < TOLERANCE) return;
    }
}

/* One expert learns the batch. */
static void learn_batch(struct learner *b, struct expert *e, real remembered) {
    int64_t width = b->width;
    real keep = exp(-b->total / remembered), most = 0;
    for (int64_t j = 0; j < b->p; j++) most = e->mass[j] > most ? e->mass[j] : most;
    update_units(b, e, keep, most < remembered / 2);
    for (int64_t j = 0; j < b->size; j++) e->slope[j] *= keep;
    for (int64_t j = 0; j < b->size * width; j++) e->precision[j] *= keep;
    *e->n_rows = *e->n_rows * keep + b->total;
    rows_for(b, e);
    set_ridge(b, e);
    minimum(b, e);
    logits_at(b, b->Z, width, b->x, b->logits);
    value_and_gradient(b->loss, b->n, b->k, b->logits, b->chunk->y, b->chunk->weight,
                       b->scratch, b->delta);
    sums_of_rows(b, b->delta, b->gradient);
    for (int64_t j = 0; j < b->size; j++) b->move[j] = b->x[j] - e->point[j];
    times(b, e->precision, b->move, b->pull);
    for (int64_t j = 0; j < b->size; j++) e->slope[j] += b->pull[j] + b->gradient[j];
    memcpy(e->point, b->x, sizeof(real) * b->size);
    curvature(b);
    for (int64_t o = 0; o < b->k; o++)
        outer_products_of(b, o, e->precision + o * width * width, 1);
}

/* to (columns, rows) <- from (rows, columns), transposed */
static void transpose(int64_t rows, int64_t columns, real *values, real *scratch) {
    if (rows == 1 || columns == 1) return;
    memcpy(scratch, values, sizeof(real) * rows * columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) values[j * rows + i] = scratch[i * columns + j];
}

/* All experts learn the batch; return the objective of the mean model before. */
static real learn_all(struct learner *b, const struct experts *experts) {
    int64_t n = experts->n_experts, p = b->p, k = b->k, width = b->width, size = b->size;
    real fade = exp(-b->total / ROWS_COMPARED), objective;
    struct expert e[MAX_EXPERTS];
    moments(b);
    for (int64_t i = 0; i < n; i++) {
        e[i] = (struct expert){
            experts->centre + i * p, experts->scale + i * p, experts->variance + i * p,
            experts->mass + i * p, experts->point + i * size, experts->slope + i * size,
            experts->precision + i * size * width, experts->n_rows + i, experts->score + i};
        transpose(width, k, e[i].point, b->trial);
        transpose(width, k, e[i].slope, b->trial);
        model_of(b, &e[i], b->model + (i + 1) * size);
    }
    objective = objective_of_mean(b, n, experts->score, experts->remembered);
    for (int64_t i = 0; i < n; i++) {
        real loss = loss_of_model(b, b->model + (i + 1) * size, MAX_NATS);
        *e[i].score = fade * *e[i].score + loss;
        learn_batch(b, &e[i], experts->remembered[i]);
        transpose(k, width, e[i].point, b->trial);
        transpose(k, width, e[i].slope, b->trial);
    }
    return objective;
}

#endif
#endif
