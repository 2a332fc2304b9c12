"""`verbose` prints one aligned line per epoch."""

import io

import numpy as np
import pytest
from methods import every_method

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.types import TrainingState, Validation, empty_curves
from sklearn_nn._monitoring.printing import Printer


def printed(*epochs, verbose=True):
    """Return the printed text for tuples (epoch, objective, score, learning rate)."""
    stream, curves = io.StringIO(), empty_curves()
    printer = Printer(verbose, stream)
    for epoch, objective, score, learning_rate in epochs:
        state = TrainingState(np.zeros(1), (), epoch=epoch)
        printer.epoch_begin()
        validation = None if score is None else Validation(0.5, score)
        rates = None if learning_rate is None else [learning_rate]
        curves.grow([objective], rates, validation)
        printer.epoch_end(state, curves)
    printer.end()
    return stream.getvalue()


def test_every_epoch_is_a_line():
    text = printed((1, 0.5, None, 0.1), (2, 0.25, None, 0.1))
    assert text.endswith("\n")
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize("score", [None, 0.5])
@pytest.mark.parametrize("n_epochs", [10, 10_000])
@pytest.mark.parametrize("loss", [999.0, 1e-9, 0.0])
@pytest.mark.parametrize("learning_rate", [1.23e-6, 1e-9, 100.0])
def test_lines_are_aligned(score, n_epochs, loss, learning_rate):
    first, last = printed(
        (1, 0.5, score, 0.1), (n_epochs, loss, score, learning_rate)
    ).splitlines()
    assert len(first) == len(last)
    for word in ("loss", "learning rate"):
        assert first.index(word) == last.index(word)


def test_a_line_names_its_numbers():
    line = printed((12, 0.5, 0.75, 0.125))
    names = ["epoch", "12", "loss", "0.50000000", "validation", "score", "0.750000"]
    assert line.split()[:-2] == [*names, "learning", "rate", "0.125"]
    assert line.split()[-1] == "s"


def test_missing_values_are_not_printed():
    line = printed((1, 0.5, None, None))
    assert "score" not in line
    assert "rate" not in line


def test_epoch_begin_prints_nothing():
    stream = io.StringIO()
    Printer(stream=stream).epoch_begin()
    assert stream.getvalue() == ""


def test_the_printer_does_not_stop_training():
    state, curves = TrainingState(np.zeros(1), ()), empty_curves()
    curves.grow([0.5])
    assert not Printer(stream=io.StringIO()).epoch_end(state, curves)


def epochs_printed(n_epochs, verbose):
    """Return which epochs a run of `n_epochs` prints."""
    epochs = [(epoch, 0.5, None, 0.1) for epoch in range(1, n_epochs + 1)]
    text = printed(*epochs, verbose=verbose)
    return [int(line.split()[1]) for line in text.splitlines()]


def test_long_runs_print_fewer_epochs():
    expected = [*range(1, 101), *range(110, 1001, 10), *range(1100, 2001, 100)]
    assert epochs_printed(2000, True) == expected


def test_n_unwatched_counts_the_epochs_before_the_next_printed_one():
    printer, epoch, seen = Printer(stream=io.StringIO()), 0, []
    while epoch < 2000:
        epoch += 1 + printer.n_unwatched(epoch)
        seen.append(epoch)
    assert seen == epochs_printed(2000, True)


def test_printing_does_not_change_training_in_tiny_epochs(capsys):
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1])
    parameters = {"max_iter": 345, "tol": None, "random_state": 0, "batch_size": "full"}
    plain = BackpropMLPClassifier((3,), **parameters).fit(X, y)
    printed = BackpropMLPClassifier((3,), **parameters, verbose=True).fit(X, y)
    assert plain.loss_curve_ == printed.loss_curve_
    lines = capsys.readouterr().out.splitlines()
    epochs = [int(line.split()[1]) for line in lines]
    assert epochs == [*range(1, 101), *range(110, 341, 10), 345]
    losses = [float(line.split()[3]) for line in lines]
    expected = [plain.loss_curve_[epoch - 1] for epoch in epochs]
    np.testing.assert_allclose(losses, expected, atol=6e-9)  # eight decimals


def test_the_last_epoch_is_printed():
    assert epochs_printed(1234, True)[-2:] == [1200, 1234]


def test_verbose_2_prints_every_epoch():
    assert epochs_printed(150, 2) == [*range(1, 151)]


@every_method
@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_verbose_prints_every_epoch_of_a_short_fit(estimator_class, verbose, rows, capsys):
    X, y, _ = rows()
    estimator_class(max_iter=3, tol=None, random_state=0, verbose=verbose).fit(X, y)
    epochs = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert epochs == ["1", "2", "3"]


@every_method
def test_printed_losses_are_those_of_the_loss_curve(estimator_class, rows, capsys):
    X, y, _ = rows()
    model = estimator_class(max_iter=3, tol=None, random_state=0, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines] == [f"{x:.8f}" for x in model.loss_curve_]


@every_method
def test_epoch_numbers_continue_over_calls_of_partial_fit(estimator_class, rows, capsys):
    X, y, _ = rows()
    model = estimator_class(random_state=0, verbose=True)
    for _ in range(2):
        model.partial_fit(X, y, classes=[0, 1, 2])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1", "2"]


@every_method
def test_nothing_is_printed_by_default(estimator_class, rows, capsys):
    X, y, _ = rows()
    estimator_class(max_iter=3, tol=None, random_state=0).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_lbfgs_prints_each_iteration(rows, capsys):
    X, y, _ = rows()
    model = BackpropMLPClassifier(
        (3,), solver="lbfgs", max_iter=4, tol=None, random_state=0, verbose=True
    ).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_ == 4
