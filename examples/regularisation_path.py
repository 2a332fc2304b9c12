"""An l1 path by warm starts
=========================

Follow the coefficients of an l1 model from none to all; each fit starts from the previous
one.

The breast cancer data have 30 features, standardised here. At alpha_max, the largest
derivative of the loss at w = 0, the first coefficient leaves zero. The path has 40 values
of alpha from there down to a thousandth of it. With `warm_start=True` each fit resumes from
the previous one.

Expect a table with the number of nonzero coefficients for each alpha, which begins at 0 or
1 and grows, though not at each step; the names of the first features to enter; the same
zeros at alpha_max / 10 as LogisticRegression with a long run of saga; and the number of
Newton steps with warm starts and from zero. The script saves a picture of the path as
regularisation_path.png. `benchmarks/path.py` of the repository compares the time of such
paths with LogisticRegression.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

N_ALPHAS = 40


def alphas_of(X, y):
    """Return N_ALPHAS values from alpha_max to a thousandth of it, in equal ratios.

    At w = 0 the best intercept predicts the mean of y (0 or 1), so that the derivative with
    respect to w_j is mean(x_j (mean(y) - y)). If its size is below alpha, w_j stays at 0.
    """
    alpha_max = np.max(np.abs(X.T @ (y.mean() - y))) / len(y)
    return alpha_max * np.logspace(0, -3, N_ALPHAS)


def path(X, y, alphas, warm_start):
    """Return the coefficients (n_alphas, n_features) and the Newton steps of all fits."""
    model = SGDLogisticClassifier(penalty="l1", warm_start=warm_start)
    coefficients, n_steps = [], 0
    for alpha in alphas:
        model.set_params(alpha=alpha).fit(X, y)
        coefficients.append(model.coef_[0].copy())
        n_steps += model.n_iter_
    return np.array(coefficients), n_steps


def saga(X, y, alpha):
    """Return scikit-learn's coefficients (n_features,) of the same objective."""
    model = LogisticRegression(
        C=1 / (alpha * len(y)), l1_ratio=1, solver="saga", tol=1e-10, max_iter=100_000
    )
    if "penalty" in model.get_params() and model.penalty == "l2":  # before 1.8
        model.set_params(penalty="l1", l1_ratio=None)
    return model.fit(X, y).coef_[0]


def save_picture(alphas, coefficients, names):
    """Save the path, the six largest coefficients in colours, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    lines = axes.semilogx(alphas, coefficients, linewidth=1, color="0.75")
    largest = np.argsort(-np.max(np.abs(coefficients), axis=0))[:6]
    for i, j in enumerate(largest):
        lines[j].set(linewidth=2, color=f"C{i}", zorder=3, label=names[j])
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.invert_xaxis()
    axes.set(xlabel="alpha", ylabel="coefficient", title="An l1 path, breast cancer data")
    axes.legend(fontsize="small", frameon=False)
    figure.savefig("regularisation_path.png", dpi=150)
    print("Saved regularisation_path.png in this folder.")


def main():
    """Print the path."""
    data = load_breast_cancer()
    X, y = StandardScaler().fit_transform(data.data), data.target
    alphas = alphas_of(X, y)
    coefficients, n_warm = path(X, y, alphas, warm_start=True)
    _, n_cold = path(X, y, alphas, warm_start=False)
    print("     alpha  not zero")
    for alpha, coefficient in list(zip(alphas, coefficients, strict=True))[::3]:
        print(f"{alpha:10.6f}  {np.count_nonzero(coefficient):8d}")
    entered = [
        data.feature_names[j] for j in np.argsort((coefficients == 0).sum(axis=0))[:3]
    ]
    print(f"first to enter: {', '.join(entered)}")
    k = N_ALPHAS // 3  # alphas[k] is alpha_max / 10
    same = np.array_equal(coefficients[k] != 0, saga(X, y, alphas[k]) != 0)
    print(f"zeros at alpha {alphas[k]:.6f}: {'as' if same else 'DIFFER from'} saga's")
    print(f"Newton steps: {n_warm} with warm starts, {n_cold} from zero")
    save_picture(alphas, coefficients, data.feature_names)


if __name__ == "__main__":
    main()
