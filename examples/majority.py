"""Majority of three bits: the numbers of two tutorials
====================================================

Learn the majority vote of three bits by gradient descent, then by single rows.

Part one repeats a tutorial in TensorFlow: 200 steps of full-batch gradient descent in
float32, whose results it publishes. Its rate of 0.1 is for the loss summed over 8 rows; our
loss is the mean, so our rate is 0.8. Part two repeats one in Keras: 200 epochs, one row at
a time, at rate 0.1, in a new random order each epoch. The result depends on the order, so
ours is compared with the range of 400 runs in different orders, which were made for this
comparison.

Expect two tables of probabilities, in which each line ends in "agrees". In float64 the
weights are compared with the same 200 steps in 40-digit arithmetic. The script saves a
picture of both tables as majority.png.
"""

import numpy as np

from sklearn_nn import SGDLogisticClassifier

X = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=np.float64)
N_BITS = X.sum(axis=1).astype(int)
y = (N_BITS >= 2).astype(int)
ROWS = ["".join(str(int(bit)) for bit in row) for row in X]

# By the number of bits set, 0 to 3.
PUBLISHED_PROBA = np.array([0.00520364, 0.16293728, 0.87869316, 0.9963038])
PUBLISHED = (3.6166463, -5.25318)  # float32; each weight, intercept
# The same values after 200 steps in 40-digit arithmetic (mpmath).
EXACT = (3.616647722275908, -5.253182198612336)

# By row, 000 to 111.
BAND_FROM = [0.004983, 0.159674, 0.159805, 0.878263, 0.159522, 0.877979, 0.878134, 0.996365]
BAND_TO = [0.005084, 0.163498, 0.164089, 0.882476, 0.164013, 0.882418, 0.882865, 0.996544]
LOSS_BANDS = {199: (0.11741, 0.11760), 200: (0.11695, 0.11713)}


def verdict(agrees):
    """Return the last word of a line of a table."""
    return "agrees" if agrees else "DIFFERS"


def model_of(learning_rate, batch_size):
    """Return an untrained model for exactly 200 epochs of plain gradient steps."""
    return SGDLogisticClassifier(
        penalty=None,
        learning_rate=learning_rate,
        momentum=0,
        batch_size=batch_size,
        max_iter=200,
        tol=None,
        random_state=0,
    )


def gradient_descent():
    """Run part one: full batches, in float32 like the tutorial and in float64."""
    print("1. Gradient descent, 200 steps, all rows at once")
    print("   published: by a tutorial in TensorFlow, float32")
    single = model_of(0.8, "full").fit(X.astype(np.float32), y)
    double = model_of(0.8, "full").fit(X, y)
    probas = single.predict_proba(X.astype(np.float32))[:, 1]
    print("   row  probability  published")
    for row, proba, theirs in zip(ROWS, probas, PUBLISHED_PROBA[N_BITS], strict=True):
        # 2e-7 is one or two float32 units in the last place of the tutorial's numbers.
        print(
            f"   {row}  {proba:.8f}   {theirs:.8f} {verdict(abs(proba - theirs) <= 2e-7)}"
        )
    compare("float32", single, "published", PUBLISHED, (4e-6, 5e-6))
    compare("float64", double, "40-digit arithmetic", EXACT, (5e-15, 5e-15))
    return probas


def compare(dtype, model, source, expected, tolerances):
    """Print the model's first weight and intercept and the expected two numbers."""
    weight, intercept = model.coef_[0], model.intercept_[0]
    error = (np.abs(weight - expected[0]).max(), abs(intercept - expected[1]))
    agrees = np.all(np.array(error) <= tolerances)
    print(f"   {dtype}, w and intercept:  {weight[0]:.12f}  {intercept:.12f}")
    print(
        f"   {source + ':':<26}{expected[0]:<14.12f}  {expected[1]:<15.12f} "
        f"{verdict(agrees)} (off by {error[0]:.1e}, {error[1]:.1e}; "
        f"allowed {tolerances[0]:g}, {tolerances[1]:g})"
    )


def one_row_at_a_time():
    """Run part two: batches of one row, reshuffled in each epoch."""
    print("\n2. One row at a time, reshuffled, 200 epochs, as a tutorial in Keras")
    print("   band: the range of 400 runs in other orders")
    model = model_of(0.1, 1).fit(X, y)
    probas = model.predict_proba(X)[:, 1]
    print("   row  probability  band")
    for row, proba, low, high in zip(ROWS, probas, BAND_FROM, BAND_TO, strict=True):
        inside = low <= proba <= high
        print(f"   {row}  {proba:.6f}     {low:.6f} to {high:.6f} {verdict(inside)}")
    for epoch, (low, high) in LOSS_BANDS.items():
        loss = model.loss_curve_[epoch - 1]
        inside = low <= loss <= high
        print(
            f"   loss of epoch {epoch}: {loss:.5f}, band {low} to {high} {verdict(inside)}"
        )
    return probas


def save_picture(by_descent, by_rows):
    """Save our probabilities and what they are compared with, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.plot(ROWS, by_descent, "x", color="#1f5fa8", label="ours")
    published = PUBLISHED_PROBA[N_BITS]
    left.plot(ROWS, published, "o", color="#c8500a", fillstyle="none", label="published")
    left.set(title="gradient descent", xlabel="row", ylabel="probability of 1")
    right.plot(ROWS, by_rows, "x", color="#1f5fa8", label="ours")
    right.vlines(ROWS, BAND_FROM, BAND_TO, color="#c8500a", label="400 orders", lw=3)
    right.set(title="one row at a time", xlabel="row")
    left.legend()
    right.legend()
    figure.savefig("majority.png", dpi=120)
    print("Saved majority.png in this folder.")


def main():
    """Run both parts."""
    save_picture(gradient_descent(), one_row_at_a_time())


if __name__ == "__main__":
    main()
