"""`show_versions` prints what a bug report should contain."""

import numpy as np

import sklearn_nn
from sklearn_nn import _show_versions
from sklearn_nn._engine.epochs import compiled


def printed(capsys):
    """Return {name: value} of what `show_versions` prints."""
    sklearn_nn.show_versions()
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def test_printed_versions_are_the_installed_ones(capsys):
    lines = printed(capsys)
    assert lines["sklearn_nn"] == sklearn_nn.__version__
    assert lines["numpy"] == np.__version__


def test_training_names_the_instruction_set_in_use(capsys, monkeypatch):
    monkeypatch.setattr(compiled, "instruction_sets", lambda: ["best", "second"])
    monkeypatch.setattr(compiled, "LEVEL", 1)
    assert printed(capsys)["training"] == "compiled kernels for second, of best, second"


def test_training_without_kernels_says_why(monkeypatch):
    monkeypatch.setattr(compiled, "instruction_sets", list)
    assert _show_versions.training() == "NumPy (no compiled kernels beside this code)"
