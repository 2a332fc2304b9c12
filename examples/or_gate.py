"""OR gate: the numbers of a TensorFlow tutorial
=============================================

Learn the OR gate one row at a time, and print every step of a tutorial's table.

Logistic regression starts at zero, takes the rows 00, 01, 10, 11 in this order, and makes a
step of size 1.0 after each. A tutorial that trains this neuron in TensorFlow publishes the
numbers of epoch 1 and epoch 25 (`PUBLISHED` in this script). The script trains twice: by
`partial_fit`, one row per call, and by one call of `fit` with batch_size=1.

Expect a table of eight lines with our and the tutorial's numbers. The lines below say that
all agree to the four printed digits, and that both ways of training give the same numbers,
bit for bit. The script saves a picture of all steps as or_gate.png.
"""

import numpy as np

from sklearn_nn import SGDLogisticClassifier

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 1])
N_EPOCHS = 25

# (epoch, row): w1, w2 and intercept after the step, probability before the step.
PUBLISHED = {
    (1, 1): (0.0, 0.0, -0.5, 0.5000),
    (1, 2): (0.0, 0.6225, 0.1225, 0.3775),
    (1, 3): (0.4694, 0.6225, 0.5919, 0.5306),
    (1, 4): (0.6260, 0.7791, 0.7485, 0.8434),
    (25, 1): (4.0626, 4.1792, -1.6265, 0.1925),
    (25, 2): (4.0626, 4.2515, -1.5542, 0.9278),
    (25, 3): (4.1379, 4.2515, -1.4790, 0.9247),
    (25, 4): (4.1389, 4.2525, -1.4780, 0.9990),
}


def textbook_model():
    """Return an untrained model that takes plain steps of size 1.0, one per row."""
    return SGDLogisticClassifier(
        penalty=None,
        learning_rate=1.0,
        momentum=0,
        batch_size=1,
        shuffle=False,
        max_iter=N_EPOCHS,
        tol=None,
    )


def train_row_by_row():
    """Return the model and {(epoch, row): (w1, w2, intercept, probability before)}."""
    model, steps = textbook_model(), {}
    for epoch in range(1, N_EPOCHS + 1):
        for row in range(4):
            here = slice(row, row + 1)
            # An unfitted model has no probabilities yet; at zero they are 1/2.
            proba = model.predict_proba(X[here])[0, 1] if steps else 0.5
            model.partial_fit(X[here], y[here], classes=[0, 1])
            steps[epoch, row + 1] = (*model.coef_[0], model.intercept_[0], proba)
    return model, steps


def print_table(steps):
    """Print our and the published numbers; return the largest difference."""
    print("published: by a tutorial that trains this neuron in TensorFlow, row by row")
    names = ("w1", "w2", "intercept", "probability")
    print("epoch row " + "".join(f"{name:>20}" for name in names))
    print(" " * 10 + f"{'ours   published':>20}" * 4)
    for (epoch, row), published in PUBLISHED.items():
        pairs = zip(steps[epoch, row], published, strict=True)
        columns = "".join(f"{ours:10.4f}{theirs:10.4f}" for ours, theirs in pairs)
        print(f"{epoch:5d} {row:3d} {columns}")
    differences = [np.subtract(steps[key], PUBLISHED[key]) for key in PUBLISHED]
    return np.abs(differences).max()


def save_picture(steps):
    """Save the coefficients of all steps and the published ones, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    curves = np.array(list(steps.values()))
    published = [4 * (epoch - 1) + row for epoch, row in PUBLISHED]
    for j, (name, color) in enumerate(
        (("w1", "#c8500a"), ("w2", "#1f5fa8"), ("intercept", "0.4"))
    ):
        axes.plot(np.arange(1, len(curves) + 1), curves[:, j], color=color, label=name)
        values = [numbers[j] for numbers in PUBLISHED.values()]
        axes.plot(published, values, "o", color=color, fillstyle="none")
    axes.set(xlabel="step", title="OR gate (circles: published)")
    axes.legend()
    figure.savefig("or_gate.png", dpi=120)
    print("Saved or_gate.png in this folder.")


def main():
    """Train in both ways and compare the results."""
    by_row, steps = train_row_by_row()
    difference = print_table(steps)
    print(
        f"\nLargest difference from the tutorial: {difference:.1e} "
        f"(half a unit of its last digit is 5e-05): "
        f"{'same numbers' if difference <= 5e-5 else 'DIFFERENT NUMBERS'}."
    )
    by_fit = textbook_model().fit(X, y)
    print(
        f"partial_fit, row by row: w = {by_row.coef_[0]}, intercept = {by_row.intercept_}"
    )
    print(
        f"fit(batch_size=1):       w = {by_fit.coef_[0]}, intercept = {by_fit.intercept_}"
    )
    same = np.array_equal(by_row.coef_, by_fit.coef_) and np.array_equal(
        by_row.intercept_, by_fit.intercept_
    )
    print(f"The two are {'equal, bit for bit' if same else 'NOT EQUAL'}.")
    print(f"Predictions for 00, 01, 10, 11: {by_fit.predict(X).tolist()}")
    save_picture(steps)


if __name__ == "__main__":
    main()
