"""Exam scores: the numbers of two Theano tutorials
================================================

Predict admission from two exam scores, on raw features, as two tutorials in Theano do.

The data are from exercise 2 of Andrew Ng's machine learning course: 100 applicants, two
exam scores between 30 and 100, admitted or not. The features are deliberately not scaled,
which makes gradient descent very slow: after 300,000 steps it is still far from the
optimum. Part one (3a) prints the loss every 20,000 steps. Part two (3b) takes one row at a
time, in one fixed shuffled order, and compares with a plain loop over the same order. Part
three standardises the features and reaches the optimum in a few hundred steps.

Run it with the file, comma separated without a header (score 1, score 2, label)::

    python exam_scores.py --data ex2data1.txt

Expect the tutorial's fifteen loss values to ten digits, its final coefficients, agreement
with the plain loop to 1e-7 or better, and the optimum with 89 % training accuracy. 300,000
steps take less than a second with compiled kernels, about half a minute without. Part two
runs 1000 epochs by default, too few for the tutorial's final values but enough for the
comparison; the tutorial used `--epochs 10000`. The script saves a picture of the losses of
part one as exam_scores.png.
"""

import argparse
import time

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

N_STEPS_BETWEEN = 20_000
# Loss before step 0, 20000, 40000, ...
PUBLISHED_LOSSES = [
    0.69314718056,
    0.547295463694,
    0.488295709188,
    0.445118809496,
    0.41259440171,
    0.387389522711,
    0.367353248365,
    0.351070505109,
    0.337586093857,
    0.326237734121,
    0.316554335209,
    0.308192817261,
    0.300897944917,
    0.294476164256,
    0.288778154733,
]
N_PUBLISHED_STEPS = 300_000
PUBLISHED_END = (-9.25573205, 0.07960975, 0.07329322)  # intercept, w1, w2
PUBLISHED_SGD_END = (-13.15095347, 0.10151697, 0.10169091)
N_PUBLISHED_EPOCHS = 10_000
OPTIMUM = (-25.16133, 0.20623, 0.20147)
OPTIMAL_LOSS, OPTIMAL_PROBA = 0.203498, 0.776291  # of P(admitted | 45, 85)


def parameters_of(model):
    """Return (intercept, w1, w2)."""
    return np.append(model.intercept_, model.coef_)


def show(name, parameters):
    """Print (intercept, w1, w2) on one line."""
    print(f"   {name:<22} " + "  ".join(f"{value:13.8f}" for value in parameters))


def plain_model(learning_rate, batch_size, max_iter):
    """Return a model without penalty and momentum that trains exactly `max_iter` epochs."""
    return SGDLogisticClassifier(
        penalty=None,
        learning_rate=learning_rate,
        momentum=0,
        batch_size=batch_size,
        shuffle=False,
        max_iter=max_iter,
        tol=None,
    )


def gradient_descent(X, y, n_steps):
    """Run part 3a: full batches at rate 0.001, starting at zero."""
    print(f"3a. Gradient descent on raw features, {n_steps} steps")
    start = time.perf_counter()
    model = plain_model(0.001, "full", n_steps).fit(X, y)
    seconds = time.perf_counter() - start
    print("   published: by a tutorial in Theano")
    print("   before step  loss            published")
    for i, published in enumerate(PUBLISHED_LOSSES):
        if i * N_STEPS_BETWEEN < n_steps:
            loss = model.loss_curve_[i * N_STEPS_BETWEEN]
            print(f"   {i * N_STEPS_BETWEEN:11d}  {loss:.12f}  {published:<14}")
    show("intercept, w1, w2", parameters_of(model))
    if n_steps == N_PUBLISHED_STEPS:
        show("published", PUBLISHED_END)
    print(f"   {seconds:.1f} s, {1e6 * seconds / n_steps:.0f} microseconds a step")
    return model.loss_curve_


def loop_over_rows(X, y, learning_rate, n_epochs):
    """Return (intercept, w1, w2) after plain stochastic gradient descent, in order."""
    theta = np.zeros(3)
    rows = np.column_stack([np.ones(len(X)), X])
    for _ in range(n_epochs):
        for row, label in zip(rows, y, strict=True):
            proba = 1 / (1 + np.exp(-(row @ theta)))
            theta -= learning_rate * (proba - label) * row
    return theta


def one_row_at_a_time(X, y, n_epochs):
    """Run part 3b: single rows at rate 0.0005 in one fixed shuffled order, and a loop."""
    print(f"\n3b. One row at a time, {n_epochs} epochs over one shuffled order")
    order = np.random.RandomState(0).permutation(len(y))
    X, y = X[order], y[order]
    start = time.perf_counter()
    parameters = parameters_of(plain_model(0.0005, 1, n_epochs).fit(X, y))
    seconds = time.perf_counter() - start
    loop = loop_over_rows(X, y, 0.0005, n_epochs)
    show("intercept, w1, w2", parameters)
    show("plain loop", loop)
    show("a Theano tutorial's", PUBLISHED_SGD_END)
    print(f"   largest difference from plain loop: {np.abs(parameters - loop).max():.1e}")
    print(f"   {seconds:.1f} s")
    if n_epochs != N_PUBLISHED_EPOCHS:
        print(
            "   For the tutorial's run pass --epochs 10000 (ten times the default's time)."
        )
    print("   The tutorial's order is unknown. At 10,000 epochs, other orders end between")
    print("   (-16.15, .0773, .0678) and (-12.93, .1597, .1547).")


def optimum(X, y):
    """Reach the optimum on scaled features in a few hundred steps."""
    print("\nWith StandardScaler, 500 steps of size 1.0 with momentum")
    model = SGDLogisticClassifier(
        penalty=None, learning_rate=1.0, batch_size="full", max_iter=500, tol=None
    )
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    scaler = pipeline[0]
    # Convert to raw scores: z = (x - mean) / scale.
    weight = model.coef_[0] / scaler.scale_
    show("intercept, w1, w2", [model.intercept_[0] - weight @ scaler.mean_, *weight])
    show("optimum", OPTIMUM)
    loss = -np.mean(pipeline.predict_log_proba(X)[np.arange(len(y)), y])
    proba = pipeline.predict_proba([[45.0, 85.0]])[0, 1]
    print(f"   loss {loss:.6f} (optimum {OPTIMAL_LOSS})")
    print(f"   training accuracy {100 * pipeline.score(X, y):.1f} % (89.0 at the optimum)")
    print(f"   P(admitted | 45, 85) = {proba:.6f} (optimum {OPTIMAL_PROBA})")


def save_picture(losses):
    """Save the losses of part one and the published ones, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(losses, color="#1f5fa8", label="ours")
    steps = N_STEPS_BETWEEN * np.arange(len(PUBLISHED_LOSSES))
    circles = {"color": "#c8500a", "fillstyle": "none", "label": "published"}
    axes.plot(steps, PUBLISHED_LOSSES, "o", **circles)
    axes.axhline(OPTIMAL_LOSS, color="0.7", linestyle=":", label="optimum")
    axes.set(xlabel="step", ylabel="loss, nats per row", title="Raw exam scores")
    axes.legend()
    figure.savefig("exam_scores.png", dpi=120)
    print("Saved exam_scores.png in this folder.")


def parse_arguments():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Exam scores: see the top of the file.")
    parser.add_argument("--data", help="comma separated file of exercise 2: ex2data1.txt")
    parser.add_argument("--steps", type=int, default=N_PUBLISHED_STEPS, help="of part 3a")
    parser.add_argument("--epochs", type=int, default=1000, help="of part 3b")
    return parser.parse_args()


def main():
    """Read the file and run all parts, or say which file is needed."""
    arguments = parse_arguments()
    if arguments.data is None:
        print(
            "This example needs the exam scores 'ex2data1.txt' from exercise 2 of Andrew "
            "Ng's\nmachine learning course (100 lines: score 1, score 2, label). "
            "They are not part of this package.\n"
            "Pass the file: python exam_scores.py --data ex2data1.txt"
        )
        return
    table = np.loadtxt(arguments.data, delimiter=",", dtype=np.float64)
    X, y = table[:, :2], table[:, 2].astype(int)
    losses = gradient_descent(X, y, arguments.steps)
    one_row_at_a_time(X, y, arguments.epochs)
    optimum(X, y)
    save_picture(losses)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/thumb_exam_scores.svg'
