"""Choose a learning rate by a range test
======================================

A network of 50 hidden units learns handwritten digits of 8 x 8 pixels; a quarter of the
rows are test rows. The range test takes 100 steps with rates from 1e-6 to 10 and suggests a
tenth of the rate at which the smoothed loss is lowest. Then the network trains for 20
epochs at this rate, and at rates 10 and 100 times smaller and larger.

Expect a suggestion of about 0.02. In the table of five rates it has the lowest loss, a few
hundredths, and about 97 % test accuracy. Rates ten times smaller and larger have several
times this loss, and at a hundred times the rate the network learns nothing. `--picture`
saves a picture of the range test as choosing_a_learning_rate.png, if matplotlib is
installed: the loss is flat over two or three decades of rates, falls over two, and rises
steeply when the steps are too long.
"""

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_nn import (
    BackpropMLPClassifier,
    LearningRateDisplay,
    learning_rate_range_test,
)

N_EPOCHS = 20
FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)


def compare(model, rates, X_train, X_test, y_train, y_test):
    """Print and return the training loss after N_EPOCHS epochs at each rate."""
    losses = []
    print("learning rate  training loss  test accuracy")
    for rate in rates:
        model.set_params(learning_rate=rate, max_iter=N_EPOCHS, tol=None)
        try:
            model.fit(X_train, y_train)
        except ValueError:  # training diverged
            losses.append(float("inf"))
            print(f"{rate:13.2g}       diverged")
            continue
        losses.append(model.loss_)
        accuracy = 100 * model.score(X_test, y_test)
        print(f"{rate:13.2g}  {model.loss_:13.4f}  {accuracy:11.1f} %")
    return losses


def main():
    """Print the suggestion and the results of this and other rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", action="store_true")
    arguments = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    rows = train_test_split(X / 16, y, random_state=0)  # pixels from 0 to 1
    X_train, _, y_train, _ = rows
    model = BackpropMLPClassifier(hidden_layer_sizes=(50,), random_state=0)
    found = learning_rate_range_test(model, X_train, y_train)
    print(f"suggested learning rate: {found.suggestion:.2g}")
    if arguments.picture:
        display = LearningRateDisplay(**found._asdict()).plot()
        display.ax_.set_title("Range test, digits")
        display.figure_.savefig("choosing_a_learning_rate.png", dpi=150)
    losses = compare(model, [found.suggestion * factor for factor in FACTORS], *rows)
    best = losses.index(min(losses))
    print(f"lowest loss: {FACTORS[best]:g} times the suggestion")


if __name__ == "__main__":
    main()
