"""Check gradients by central differences
======================================

Check the mathematics of the estimators: gradients, gradient descent, and extreme numbers.

The script uses the private training engine `sklearn_nn._engine`.

1. Backpropagation compared with central differences (J(theta + h) - J(theta - h)) / 2h
   with h = 1e-4, for every activation and both losses of a network with two hidden layers.
   Expect differences near 1e-8, because the error of central differences is of order h^2.
   (relu has kinks; a step of h across one would give a larger difference.)
2. Gradient descent on x0^2 + x1^2 from (-3, 4) at rate 0.1, for 100 steps, compared with
   the closed form (-3, 4) * 0.8^100. Expect the same numbers.
3. Sigmoid, softmax and all losses at logits up to 1e300. Expect only finite numbers.

The script saves a picture of part 1 as gradients.png.
"""

import numpy as np

from sklearn_nn._engine.arrays import sigmoid, softmax
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.types import Architecture, Dataset


def make_problem(activation, loss, n_outputs):
    """Return a problem with 4 inputs, hidden layers of 5 and 3 units, and an l2 penalty."""
    return Problem(
        architecture=Architecture((4, 5, 3, n_outputs), (activation, activation)),
        loss=loss,
        penalty=PENALTIES["l2"](0.1, 0.0),
    )


def central_differences(objective, theta, h=1e-4):
    """Return (J(theta + h e_i) - J(theta - h e_i)) / 2h for each coordinate i."""
    steps = h * np.eye(len(theta))
    return np.array(
        [(objective(theta + step) - objective(theta - step)) / (2 * h) for step in steps]
    )


def gradient_error(activation, loss, out_activation, rng):
    """Return the largest difference between backpropagation and central differences."""
    n_outputs = 3 if out_activation == "softmax" else 1
    problem = make_problem(activation, loss, n_outputs)
    labels = rng.integers(max(2, n_outputs), size=10)
    # For softmax one class index per row, otherwise a column of 0.0 and 1.0.
    y = labels if out_activation == "softmax" else labels[:, None].astype(float)
    batch = Dataset(rng.normal(size=(10, 4)), y, None)
    theta = 0.5 * rng.normal(size=problem.architecture.n_parameters)
    _, gradient = objective_and_gradient(problem, theta, batch)
    numeric = central_differences(
        lambda point: objective_and_gradient(problem, point, batch)[0], theta
    )
    return np.abs(gradient - numeric).max()


def check_gradients():
    """Print a table of differences (part 1)."""
    print("1. Largest difference between backpropagation and central differences")
    rng, rows = np.random.default_rng(0), {}
    print(f"   {'loss':<15}{'output':<10}" + "".join(f"{name:>11}" for name in ACTIVATIONS))
    for (loss_name, out_activation), loss in LOSSES.items():
        errors = [gradient_error(name, loss, out_activation, rng) for name in ACTIVATIONS]
        columns = "".join(f"{error:11.1e}" for error in errors)
        print(f"   {loss_name:<15}{out_activation:<10}{columns}")
        rows[f"{loss_name}, {out_activation}"] = errors
    return rows


def descend():
    """Run 100 steps of the engine's SGD on x0^2 + x1^2, whose gradient is 2x (part 2)."""
    x = start = np.array([-3.0, 4.0])
    for _ in range(100):
        x, _ = SGD().step(x, (), 2 * x, learning_rate=0.1, proximal=None)
    expected = start * 0.8**100
    print("\n2. Gradient descent on x0^2 + x1^2, 100 steps of rate 0.1 from (-3, 4)")
    print(f"   ours                  {x[0]:.10e}  {x[1]:.10e}")
    print(f"   (-3, 4) * 0.8^100     {expected[0]:.10e}  {expected[1]:.10e}")
    print(f"   relative difference   {np.abs(x / expected - 1).max():.1e}")


def check_extremes():
    """Evaluate functions at logits that overflow a naive exp (part 3)."""
    print("\n3. Extreme logits")
    logits = np.array([-1e300, -1000.0, 0.0, 1000.0, 1e300])
    print(f"   logits        {logits.tolist()}")
    print(f"   sigmoid       {sigmoid(logits).tolist()}")
    pairs = np.array([[1000.0, -1000.0], [1e300, -1e300], [-1e300, -1e300]])
    print(f"   softmax of    {pairs.tolist()}")
    print(f"                 {softmax(pairs).tolist()}")
    for (name, out_activation), loss in LOSSES.items():
        if out_activation == "softmax":
            values, gradient = loss.value_and_gradient(pairs, np.array([1, 1, 1]))
        else:
            values, gradient = loss.value_and_gradient(logits[:, None], np.ones((5, 1)))
        finite = np.all(np.isfinite(values)) and np.all(np.isfinite(gradient))
        word = "finite" if finite else "NOT FINITE"
        print(f"   {name}, {out_activation}: {values.tolist()}; gradient {word}")


def save_picture(rows):
    """Save the differences of part 1, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, errors), marker in zip(rows.items(), "os^v", strict=True):
        axes.semilogy(list(ACTIVATIONS), errors, marker, label=name)
    axes.set(ylabel="largest difference", ylim=(1e-12, 1), xlabel="activation")
    axes.axhline(1, color="0.7", linestyle=":")
    axes.set(title="Backpropagation and central differences (a wrong gradient: about 1)")
    axes.legend(fontsize="small", ncols=2)
    figure.savefig("gradients.png", dpi=120)
    print("Saved gradients.png in this folder.")


def main():
    """Run all three parts."""
    rows = check_gradients()
    descend()
    check_extremes()
    save_picture(rows)


if __name__ == "__main__":
    main()
