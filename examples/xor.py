"""XOR: the same network as a loop in NumPy
========================================

Learn XOR with two hidden units, and check the estimator against a plain NumPy loop.

The network has two logistic hidden units, one logistic output and the squared error. It is
trained by 4,000 steps of plain gradient descent on all four rows. The loop, as tutorials
write it, uses the gradient of half the summed squared error at rate 0.5; our loss is the
mean, so our rate is 0.5 * 4 rows = 2.0. Training starts from the initial weights of
BackpropMLPClassifier for random_state 0 to 9.

Expect ten lines with the four outputs. Eight starts separate XOR, but random_state 3 and 9
get stuck, in the loop as well. The largest difference between estimator and loop is below
1e-6. The script saves the loss curves as xor.png.
"""

import numpy as np

from sklearn_nn import BackpropMLPClassifier

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 0])
N_STEPS = 4000


def sigmoid(z):
    """Return 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


def initial_weights(seed):
    """Return the initial weights W1, b1, W2, b2 that random_state=seed draws.

    Each layer draws weights, then intercepts, uniform in +-sqrt(2 / (fan_in + fan_out)).
    """
    rng, arrays = np.random.RandomState(seed), []
    for fan_in, fan_out in ((2, 2), (2, 1)):
        bound = np.sqrt(2 / (fan_in + fan_out))
        arrays.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
        arrays.append(rng.uniform(-bound, bound, fan_out))
    return arrays


def train_by_loop(W1, b1, W2, b2, learning_rate=0.5):
    """Return the outputs (4,) after the loop on the summed squared error."""
    target = y[:, None]
    for _ in range(N_STEPS):
        hidden = sigmoid(X @ W1 + b1)
        proba = sigmoid(hidden @ W2 + b2)
        delta_2 = (proba - target) * proba * (1 - proba)
        delta_1 = (delta_2 @ W2.T) * hidden * (1 - hidden)
        W2, b2 = (
            W2 - learning_rate * hidden.T @ delta_2,
            b2 - learning_rate * delta_2.sum(0),
        )
        W1, b1 = W1 - learning_rate * X.T @ delta_1, b1 - learning_rate * delta_1.sum(0)
    return sigmoid(sigmoid(X @ W1 + b1) @ W2 + b2)[:, 0]


def train_estimator(seed):
    """Return the classifier, fitted with a random_state."""
    model = BackpropMLPClassifier(
        hidden_layer_sizes=(2,),
        activation="logistic",
        loss="squared_error",
        solver="sgd",
        learning_rate=2.0,
        momentum=0,
        alpha=0,
        batch_size="full",
        max_iter=N_STEPS,
        tol=None,
        random_state=seed,
    )
    return model.fit(X, y)


def save_picture(models, stuck):
    """Save the loss curves, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for seed, model in models.items():
        color = "#c8500a" if seed in stuck else "#1f5fa8"
        axes.plot(model.loss_curve_, color=color)
    axes.plot([], color="#1f5fa8", label=f"separated, {10 - len(stuck)} of 10 starts")
    axes.plot([], color="#c8500a", label=f"stuck, random_state {sorted(stuck)}")
    axes.set(xlabel="step", ylabel="half squared error, mean of 4 rows", title="XOR")
    axes.legend()
    figure.savefig("xor.png", dpi=120)
    print("Saved xor.png in this folder.")


def main():
    """Train from ten starts, in both ways."""
    print(
        "random_state  output for 00, 01, 10, 11             separated  loop's difference"
    )
    models, differences, stuck, loop_stuck = {}, [], set(), set()
    for seed in range(10):
        models[seed] = model = train_estimator(seed)
        proba = model.predict_proba(X)[:, 1]
        by_loop = train_by_loop(*initial_weights(seed))
        differences.append(np.abs(proba - by_loop).max())
        separated = np.array_equal(model.predict(X), y)
        if not separated:
            stuck.add(seed)
        if not np.array_equal(by_loop > 0.5, y == 1):
            loop_stuck.add(seed)
        numbers = "  ".join(f"{value:.6f}" for value in proba)
        answer = "yes" if separated else "no"
        print(f"{seed:12d}  {numbers}  {answer:>9}  {differences[-1]:17.1e}")
    same = "as" if stuck == loop_stuck else "DIFFERS from"
    print(f"\nStuck: {sorted(stuck)}, {same} the loop's {sorted(loop_stuck)}.")
    print(f"Largest difference from the loop: {max(differences):.1e} (1e-6 allowed).")
    save_picture(models, stuck)


if __name__ == "__main__":
    main()
