"""Laws of BackpropMLPClassifierCV: folds, weights, threads, honest scores."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from frames import N_ROWS, mixed_frame, quick
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from scipy.special import expit
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
)

from sklearn_nn import BackpropMLPClassifierCV
from sklearn_nn._folds.calibration import best_temperature, class_logits


@pytest.fixture(scope="module")
def table():
    """Return a frame with columns of every kind, and labels."""
    return mixed_frame()


def test_mixed_columns_with_missing_values_are_learned(table):
    X, y = mixed_frame(400)
    model = quick(max_iter=40, cv=5).fit(X, y)
    new_X, new_y = mixed_frame(400, seed=1)
    assert model.score(new_X, new_y) > 0.75
    assert model.cv_score_ > 0.75


def test_every_library_gives_the_same_model(table):
    X, y = table
    expected = quick().fit(X, y)
    values = X.astype(object).where(X.notna(), None)
    frame = pl.DataFrame({name: values[name].tolist() for name in values})
    model = quick().fit(frame, pl.Series(y))
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(X))
    assert model.feature_names_in_.tolist() == list(X.columns)


def test_an_array_of_objects_is_a_table(table):
    X, y = table
    expected = quick().fit(X, y).predict_proba(X)
    values = X.astype(object).where(X.notna(), None).to_numpy()
    assert_array_equal(quick().fit(values, y).predict_proba(values), expected)
    assert_array_equal(quick().fit(values.tolist(), y).predict_proba(values), expected)


def test_categorical_features_by_name_index_and_mask_are_the_same():
    X, y = mixed_frame()
    X = X[["age", "visits", "city"]].assign(level=np.arange(N_ROWS) % 4)
    models = [
        quick(categorical_features=chosen).fit(X, y)
        for chosen in (["city", "level"], [2, 3], [False, False, True, True])
    ]
    names = models[0].encoders_[0].get_feature_names_out()
    assert {"level_0.0", "level_3.0"} <= set(names)
    for model in models[1:]:
        assert_array_equal(model.oof_predict_proba_, models[0].oof_predict_proba_)


def test_bool_columns_are_numbers_if_not_chosen():
    X = pd.DataFrame({"a": [True, False] * 20, "b": ["u", "v"] * 20})
    model = quick(categorical_features=["b"], n_trees=0).fit(X, np.arange(40) % 2)
    assert model.encoders_[0].get_feature_names_out().tolist() == ["a", "b_v"]


def test_sparse_rows_with_missing_values_are_learned():
    rng = np.random.RandomState(0)
    dense = np.where(rng.uniform(size=(200, 10)) < 0.7, 0, rng.normal(size=(200, 10)))
    y = (dense[:, 0] > 0).astype(int)
    dense[5, 3] = np.nan
    model = quick(max_iter=60).fit(csr_matrix(dense), y)
    assert model.score(csr_array(dense), y) > 0.9
    assert_allclose(
        model.predict_proba(dense), model.predict_proba(csr_matrix(dense)), atol=0.2
    )


@pytest.mark.parametrize("n_jobs", [2, 3, -1])
def test_any_number_of_threads_gives_the_same_bits(table, n_jobs):
    X, y = table
    expected, model = quick().fit(X, y), quick(n_jobs=n_jobs).fit(X, y)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.oof_predict_proba_, expected.oof_predict_proba_)


def test_an_encoder_knows_only_its_training_rows(table):
    X, y = table
    changed = X.copy()
    folds = list(KFold(3).split(X))
    held_out = folds[0][1]
    changed.loc[held_out, "age"] = 1e6
    changed.loc[held_out, "city"] = "Atlantis"
    one, other = (quick(cv=folds).fit(frame, y) for frame in (X, changed))
    pairs = zip(one.estimators_[0].coefs_, other.estimators_[0].coefs_, strict=True)
    assert all(a.shape == b.shape for a, b in pairs)
    assert_array_equal(one.encoders_[0].transform(X), other.encoders_[0].transform(X))


def test_same_seed_gives_the_same_model_and_a_generator_advances(table):
    X, y = table
    one, same = quick().fit(X, y), quick().fit(X, y)
    assert_array_equal(one.predict_proba(X), same.predict_proba(X))
    rng = np.random.RandomState(0)
    first, second = (quick(random_state=rng).fit(X, y) for _ in range(2))
    assert_array_equal(first.predict_proba(X), one.predict_proba(X))
    assert not np.array_equal(second.predict_proba(X), one.predict_proba(X))


def test_probabilities_are_means_of_calibrated_networks(table):
    X, y = table
    model = quick().fit(X, y)
    expected = np.zeros((len(X), 2))
    for encoder, network in zip(model.encoders_, model.estimators_, strict=True):
        logits = network.decision_function(encoder.transform(X)).astype(float)
        expected[:, 1] += expit(logits / model.temperature_) / 3
    expected[:, 0] = 1 - expected[:, 1]
    assert_allclose(model.predict_proba(X), expected, atol=1e-12)
    assert_allclose(np.exp(model.predict_log_proba(X)), expected, atol=1e-12)
    odds = np.log(expected[:, 1] / expected[:, 0])
    assert_allclose(model.decision_function(X), odds, atol=1e-9)
    assert_array_equal(model.predict(X), model.classes_[(odds > 0).astype(int)])


def test_without_calibration_the_temperature_is_one(table):
    X, y = table
    assert quick(calibrate=False).fit(X, y).temperature_ == 1
    assert quick().fit(X, y).temperature_ != 1


def test_temperature_of_the_mean_is_the_root_of_that_of_single_networks(table):
    X, y = table
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    model = quick(cv=folds).fit(X, y)
    indices, logits, labels = np.searchsorted(model.classes_, y), [], []
    for (_, held_out), encoder, network in zip(
        folds, model.encoders_, model.estimators_, strict=True
    ):
        z = network.decision_function(encoder.transform(X.iloc[held_out]))
        logits.append(class_logits(z[:, None], 2))
        labels.append(indices[held_out])
    logits, labels = np.concatenate(logits), np.concatenate(labels)
    single = best_temperature(logits, labels, np.ones(len(labels)))
    assert model.temperature_ == pytest.approx(np.sqrt(single), rel=1e-4)
    one, n = quick(cv=folds[:1]).fit(X, y), len(folds[0][1])
    [network], [encoder] = one.estimators_, one.encoders_
    z = network.decision_function(encoder.transform(X.iloc[folds[0][1]]))
    whole = best_temperature(class_logits(z[:, None], 2), labels[:n], np.ones(n))
    assert one.temperature_ == pytest.approx(whole, rel=1e-4)


def test_each_network_keeps_its_epoch_of_least_loss(table):
    X, y = table
    model = quick().fit(X, y)
    for network, epoch in zip(model.estimators_, model.best_epochs_, strict=True):
        assert len(network.loss_curve_) == model.n_iter_ == 10
        assert np.argmin(network.validation_loss_curve_) + 1 == network.best_epoch_ == epoch


def test_kept_epoch_is_best_on_the_held_out_rows(table):
    X, y = table
    folds = list(StratifiedKFold(3).split(X, y))
    model = quick(cv=folds).fit(X, y)
    for k, (_, held_out) in enumerate(folds):
        rows = model.encoders_[k].transform(X.iloc[held_out])
        loss = log_loss(y[held_out], model.estimators_[k].predict_proba(rows))
        least = min(model.estimators_[k].validation_loss_curve_)
        assert loss == pytest.approx(least, rel=1e-5)


# Scores.


def test_scores_are_those_of_the_out_of_fold_predictions(table):
    X, y = table
    weight = np.random.RandomState(0).uniform(0.1, 3, size=len(y))
    model = quick(class_weight="balanced").fit(X, y, sample_weight=weight)
    proba = model.oof_predict_proba_
    assert not np.isnan(proba).any()
    assert_allclose(proba.sum(axis=1), 1)
    expected = log_loss(y, proba, sample_weight=weight)
    assert model.cv_log_loss_ == pytest.approx(expected, rel=1e-9)
    labels = model.classes_[proba.argmax(axis=1)]
    expected = accuracy_score(y, labels, sample_weight=weight)
    assert model.cv_score_ == pytest.approx(expected)


def test_rows_that_are_never_held_out_are_nan_and_outside_the_scores(table):
    X, y = table
    folds = [(np.arange(60), np.arange(60, 80)), (np.arange(60), np.arange(80, 100))]
    model = quick(cv=folds).fit(X, y)
    is_nan = np.isnan(model.oof_predict_proba_[:, 0])
    assert np.flatnonzero(~is_nan).tolist() == list(range(60, 100))
    expected = log_loss(y[60:100], model.oof_predict_proba_[60:100])
    assert model.cv_log_loss_ == pytest.approx(expected)


def test_rows_held_out_repeatedly_are_averaged(table):
    X, y = table
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    model = quick(cv=cv, calibrate=False).fit(X, y)
    assert len(model.estimators_) == 6
    assert not np.isnan(model.oof_predict_proba_).any()
    assert_allclose(model.oof_predict_proba_.sum(axis=1), 1)


def noise(seed, n_rows=300):
    """Return numbers and labels that are independent of each other."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n_rows, 5)), rng.randint(2, size=n_rows)


def test_scores_do_not_flatter_on_noise():
    # Nothing can be known about these labels: log-loss below the entropy, or accuracy
    # above the share of the larger class, would be luck of at most two standard errors.
    losses, excess = [], []
    for seed in range(5):
        X, y = noise(seed)
        model = quick(hidden_layer_sizes=(32,), max_iter=30, cv=5).fit(X, y)
        p = np.mean(y)
        entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
        log_p = np.log(model.oof_predict_proba_[np.arange(len(y)), y])
        losses.append(model.cv_log_loss_ - entropy)
        excess.append(np.std(log_p) / np.sqrt(len(y)))
        assert model.cv_score_ < max(p, 1 - p) + 2 * 0.5 / np.sqrt(len(y))
    assert np.mean(losses) > -2 * np.sqrt(np.sum(np.square(excess))) / 5


def test_own_choice_of_the_epoch_would_flatter_on_noise():
    # What the honest scores avoid: the least loss of each fold's own curve is lower.
    X, y = noise(0)
    model = quick(hidden_layer_sizes=(32,), max_iter=30, cv=5, calibrate=False).fit(X, y)
    own = np.mean([min(n.validation_loss_curve_) for n in model.estimators_])
    assert own < model.cv_log_loss_


def test_scores_of_a_single_fold_have_no_choice(table):
    X, y = table
    fold = [(np.arange(80), np.arange(80, 120))]
    model = quick(cv=fold).fit(X, y)
    [network] = model.estimators_
    last = network.validation_loss_curve_[-1]
    assert model.cv_log_loss_ == pytest.approx(last, rel=1e-5)
    assert model.best_epochs_.tolist() == [network.best_epoch_]


# Weights.


def test_weights_of_zero_are_absent_rows(table):
    X, y = table
    weight = np.ones(len(y))
    weight[::7] = 0
    kept = np.flatnonzero(weight)
    model = quick().fit(X, y, sample_weight=weight)
    expected = quick().fit(X.iloc[kept], y[kept])
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.oof_predict_proba_[kept], expected.oof_predict_proba_)
    assert np.isnan(model.oof_predict_proba_[::7]).all()


def test_weights_are_repetitions_in_full_batches_without_dropout_and_trees(table):
    X, y = table
    weight = np.random.RandomState(0).randint(1, 4, size=len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    folds = [(np.arange(80), np.arange(80, 120)), (np.arange(40, 120), np.arange(40))]
    repeated = [
        tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds
    ]
    # A tree draws a row of weight 2 once, and two equal rows apart.
    options = {"batch_size": "full", "dropout": 0.0, "n_trees": 0}
    weighted = quick(cv=folds, **options).fit(X, y, sample_weight=weight)
    expected = quick(cv=repeated, **options).fit(X.iloc[rows], y[rows])
    # float32, ten steps
    assert_allclose(weighted.predict_proba(X), expected.predict_proba(X), atol=2e-5)
    assert weighted.cv_log_loss_ == pytest.approx(expected.cv_log_loss_, rel=1e-4)
    assert weighted.cv_score_ == pytest.approx(expected.cv_score_)


def test_only_ratios_of_weights_matter(table):
    X, y = table
    weight = np.random.RandomState(0).randint(1, 4, size=len(y))
    one, same = (quick().fit(X, y, sample_weight=c * weight) for c in (1, 4.0))
    assert_allclose(one.predict_proba(X), same.predict_proba(X), rtol=1e-5)


def test_class_weights_are_sample_weights(table):
    X, y = table
    weight = np.where(y == "yes", 3.0, 1.0)
    by_class = quick(class_weight={"yes": 3, "no": 1}).fit(X, y)
    by_row = quick().fit(X, y, sample_weight=weight)
    assert_array_equal(by_class.predict_proba(X), by_row.predict_proba(X))
    # Scores count each row once.
    expected = log_loss(y, by_class.oof_predict_proba_)
    assert by_class.cv_log_loss_ == pytest.approx(expected)


def test_a_class_of_weight_zero_is_never_predicted(table):
    X, y = table
    y = np.where(np.arange(len(y)) % 5 == 0, "other", y)
    model = quick(class_weight={"other": 0}).fit(X, y)
    assert model.classes_.tolist() == ["no", "other", "yes"]
    assert "other" not in model.predict(X)


# Classes and folds.


def test_a_class_with_fewer_rows_than_folds_is_trained_on(table):
    X, y = table
    y = y.astype(object)
    y[:2] = "rare"
    model = quick().fit(X, y)
    assert model.predict_proba(X).shape == (len(y), 3)
    assert np.isnan(model.oof_predict_proba_[:2]).all()
    assert not np.isnan(model.oof_predict_proba_[2:]).any()
    assert all(network.n_outputs_ == 3 for network in model.estimators_)


def test_a_class_that_a_split_leaves_out_is_warned_of(table):
    X, y = table
    y = y.astype(object)
    y[100:] = "late"
    folds = [(np.arange(90), np.arange(90, 120)), (np.arange(30, 120), np.arange(30))]
    message = "lack a class of the held-out rows. These 20"
    with pytest.warns(UserWarning, match=message) as caught:
        model = quick(cv=folds).fit(X, y)
    assert caught[0].filename == __file__
    assert np.isfinite(model.cv_log_loss_)
    assert model.predict_proba(X).shape == (len(y), 3)


def test_a_fold_without_judged_rows_keeps_the_last_epoch(table):
    X, y = table
    y = np.where(np.arange(len(y)) < 60, "a", "b")
    folds = [
        (np.arange(60), np.arange(60, 120)),
        (np.arange(0, 120, 2), np.arange(1, 120, 2)),
    ]
    with pytest.warns(UserWarning, match="lack a class"):
        model = quick(cv=folds).fit(X, y)
    assert model.best_epochs_[0] == 10


def test_one_class_gives_one_column_of_ones(table):
    X, _ = table
    model = quick().fit(X, ["only"] * len(X))
    assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))
    assert model.cv_log_loss_ == 0


def test_small_tables_work():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    model = quick(cv=2).fit(X, y)
    assert model.predict(X).shape == (4,)
    constant = quick(cv=2).fit([[1.0]] * 4, y)
    assert_allclose(constant.predict_proba([[1.0]]), 0.5, atol=0.3)


def test_groups_are_held_out_together(table):
    X, y = table
    groups = np.arange(len(y)) // 10
    model = quick().fit(X, y, groups=groups)
    assert not np.isnan(model.oof_predict_proba_).any()
    other = quick(cv=GroupKFold(3)).fit(X, y, groups=groups)
    pairs = list(GroupKFold(3).split(X, y, groups))
    expected = quick(cv=pairs).fit(X, y, groups=groups)
    assert_array_equal(other.oof_predict_proba_, expected.oof_predict_proba_)


def test_high_cardinality_trains_on_sparse_rows():
    rng = np.random.RandomState(0)
    values = rng.randint(80, size=600)
    X = pd.DataFrame({"id": [f"v{v}" for v in values], "x": rng.normal(size=600)})
    y = values % 2
    model = quick(max_iter=40).fit(X, y)
    assert model.encoders_[0].transform(X[:2]).shape[1] > 50
    assert model.cv_score_ > 0.9


def test_a_failed_fit_leaves_the_model_unchanged(table):
    X, y = table
    model = quick().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="infinite"):
        model.fit(X.assign(age=np.inf), y)
    assert_array_equal(model.predict_proba(X), before)
    assert BackpropMLPClassifierCV().get_params().keys() == model.get_params().keys()
