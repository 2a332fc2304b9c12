"""The main example compares equal objectives, and claims only what it measures."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

EXAMPLE = Path(__file__).parents[2] / "examples" / "compare_with_logistic_regression.py"


@pytest.fixture(scope="module")
def example():
    """Return the names of the example."""
    return runpy.run_path(str(EXAMPLE))


def test_all_linear_models_of_the_example_minimise_the_same_objective(example):
    X, y = load_wine(return_X_y=True)
    split = example["Split"](*train_test_split(X, y, train_size=90, random_state=0))
    candidates = example["linear_candidates"](60, [StandardScaler()])
    results = example["with_gaps"](example["compared"](candidates, split), split)
    for name, result in results.items():
        assert result.gap < example["CLOSE"], name
        alpha = result.chosen.get("alpha") or 1 / (result.chosen["C"] * 90)
        assert np.isclose(alpha, example["ALPHAS"], rtol=1e-12).sum() == 1


class ModelOfATable:
    """Stands for a fitted BackpropMLPClassifierCV."""

    cv_log_loss_ = 0.3


def forged(example, **changes):
    """Return a Result in which every claim holds, with changes."""
    losses = np.tile([0.2, 0.4], 50)
    values = {
        "model": ModelOfATable(),
        "chosen": {},
        "losses": losses,
        "right": np.tile([1, 1, 1, 0], 25),
        "seconds": 0.01,
        "total": 1.0,
        "warned": False,
        "gap": 1e-6,
    }
    return example["Result"](**(values | changes))


def slower(example, factor=3):
    """Return a Result that takes longer."""
    return forged(example, seconds=factor * 0.01, total=factor * 1.0)


def claims_of(example, **ours):
    """Return the claims by name, of peers that are slower and of ours with changes."""
    one, peer = forged(example, **ours), slower(example)
    linear = {example["OURS"]: one, example["LBFGS"]: peer, example["CHOLESKY"]: peer}
    worse = forged(example, losses=np.tile([0.4, 0.8], 50))
    networks = {example["NETWORK"]: one, example["MLP"]: peer}
    table = {example["TABLE"]: one, example["TUNED"]: peer, example["TREES"]: peer}
    raw = linear | {example["OURS"]: worse}
    tasks = {"raw": linear, "scaled": linear}
    return {
        "raw_features": example["claim_of_raw_features"](linear),
        "units": example["claim_of_units"](raw, linear),
        "one_solver": example["claim_of_one_solver"](tasks),
        "scaled_features": example["claim_of_scaled_features"](tasks),
        "networks": example["claim_of_networks"](networks),
        "table": example["claim_of_table"](table),
        "expectation": example["claim_of_expectation"](table),
    }


def test_every_claim_of_the_example_is_tested(example):
    claims = {name.removeprefix("claim_of_") for name in example if "claim_of_" in name}
    assert claims == claims_of(example).keys()


def test_supported_claims_are_printed_as_claims(example):
    for claim in claims_of(example).values():
        assert str(claim) == f"{claim.text}: {claim.figures}."


HIGH = np.tile([0.9, 1.1], 50)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("raw_features", {"gap": 0.1}),
        ("raw_features", {"seconds": 1.0}),
        ("units", {"losses": HIGH}),
        ("one_solver", {"gap": 0.1}),
        ("one_solver", {"seconds": 1.0}),
        ("scaled_features", {"losses": HIGH}),
        ("networks", {"right": np.tile([1, 0], 50)}),
        ("networks", {"seconds": 1.0}),
        ("table", {"losses": HIGH}),
        ("expectation", {"losses": HIGH}),
    ],
)
def test_claims_that_figures_do_not_support_are_not_confirmed(example, name, ours):
    claim = claims_of(example, **ours)[name]
    assert str(claim) == f"NOT CONFIRMED: {claim.text}: {claim.figures}."


def test_loans_are_a_table_of_numbers_categories_and_holes(example):
    pytest.importorskip("pandas")
    X, y = example["loans"](1000, seed=0)
    assert X.isna().any(axis=1).mean() == pytest.approx(0.1, abs=0.04)
    assert set(y) == {"repaid", "lost"}
    assert set(X.dtypes.astype(str)) == {"float64", "int64", "category"}
