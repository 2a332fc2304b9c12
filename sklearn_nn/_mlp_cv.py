"""The network that needs no tuning: a multilayer perceptron for each fold, for tables."""

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _parameters
from ._classifier import unchanged_on_error
from ._data import array_api
from ._engine.arrays import Matrix, Vector, moved_to, namespace
from ._folds import calibration, networks
from ._folds.data import split_params_of, training_data
from ._folds.out_of_fold import out_of_fold
from ._folds.splits import splits_of
from ._mlp import BackpropMLPClassifier
from ._monitoring.callbacks import CallbackSupportMixin, FoldTasks, with_callbacks
from ._parameters import CONSTRAINTS, Interval, StrOptions
from ._storage import fold_contents, persistence
from ._table.schema import readable
from ._training import generator_of
from ._version import CLASS_PAGE


class BackpropMLPClassifierCV(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Networks for a table as it is, one for each fold of a cross-validation.

    Takes data frames or arrays with numbers of any scale, categories, and missing values,
    and needs no tuning. For each fold it encodes the columns, adds the votes of randomised
    trees, trains a BackpropMLPClassifier for a whole cycle of learning rates, and keeps the
    epoch of least log-loss on the held-out rows [1]_. Probabilities are means over the
    networks, whose logits are divided by a temperature that out-of-fold predictions choose.
    `cv_log_loss_` and `cv_score_` say what to expect on new rows, without a test set.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Number of units in each hidden layer, >= 1.

    activation : str or array-like of str, default='relu'
        Activation f(z) of the hidden layers: one name for all, or one for each. Formulas
        are in BackpropMLPClassifier.

        - 'identity'
        - 'logistic'
        - 'tanh'
        - 'relu'
        - 'leaky_relu'
        - 'softplus'
        - 'elu'
        - 'silu'
        - 'swish'
        - 'gelu'

    dropout : float or array-like of float, default=0.15
        Probability, in [0, 1), with which a training step drops each hidden unit: one
        number for all hidden layers, or one for each.

    alpha : float, default=0.02
        Strength of the decoupled weight decay ('adamw' [3]_), >= 0.

    learning_rate_init : float, default=0.005
        Peak of the cycle of learning rates ('one_cycle' [4]_), > 0.

    max_iter : int, default=40
        Number of epochs of the cycle.

    batch_size : int or {'auto', 'full'}, default='auto'
        Rows per step. 'auto' is a sixteenth of the training rows, at least 16 and at most
        256; 'full' is all.

    n_trees : int, default=100
        Number of randomised trees of each fold, >= 0, whose votes its network reads beside
        the columns; see Notes. With 0 there are none, and the model is continuous.

    cv : int, splitter, iterable or None, default=5
        How to divide the rows into folds, with a network each. None is 5:

        - an int is the number of stratified folds, in a random order; with `groups`, no
          group is in two of them. Rows of a class with fewer rows (or groups) than folds
          are never held out, and in every training part unless their group is held out;
        - a splitter of scikit-learn;
        - an iterable of pairs of training and held-out row numbers (negative ones count
          from the end, as in NumPy) or masks.

    calibrate : bool, default=True
        Whether to divide logits by a temperature, chosen by the log-loss of the held-out
        rows [2]_. For the mean of several networks, which is less extreme, it is the root
        of that of single ones.

    categorical_features : {'from_dtype'}, array-like or None, default='from_dtype'
        Names, indices or a mask of the categorical columns. With 'from_dtype' they are the
        columns of strings, booleans and categories; None means none.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights. Probabilities
        are then those of the reweighted classes.

    n_jobs : int or None, default=None
        Number of folds that are trained at once, in threads; -1 is all processors. The
        model does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Draws the folds of an int `cv`, and the random state of each network. An int makes
        `fit` reproducible.

    verbose : bool or int, default=False
        Whether to print a line per fold and epoch. True skips lines in long runs; 2 prints
        all.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns, if X was a data frame whose column names are strings.
    estimators_ : list of BackpropMLPClassifier
        The network of each fold, fitted on encoded rows.
    encoders_ : list of TableEncoder
        The encoder of each fold, fitted on its training rows, with `transform` and
        `get_feature_names_out`. All trees vote in `transform`, on rows that they were
        fitted on, too: on training rows, their votes are almost the labels.
    temperature_ : float
        Divides the logits of all networks; above 1, it makes probabilities less extreme.
    best_epochs_ : ndarray of shape (n_folds,)
        Epoch of each network, from 1.
    n_iter_ : int
        Number of epochs that were trained, the largest of all folds.
    oof_predict_proba_ : ndarray of shape (n_samples, n_classes)
        Probabilities of each row from the network that was not trained on it (the mean, if
        it was held out repeatedly). NaN for rows that were never held out. Epoch and
        temperature were chosen by the other folds.
    cv_log_loss_ : float
        Log-loss of `oof_predict_proba_`, with sample weights (nats).
    cv_score_ : float
        Accuracy of `oof_predict_proba_`, with sample weights.

    See Also
    --------
    BackpropMLPClassifier : The network, with all options.
    SGDLogisticClassifier : The linear model.
    sklearn.ensemble.HistGradientBoostingClassifier : Trees for the same tables.

    Notes
    -----
    Numbers are centred by the median, divided by the distance of the quartiles, and
    clipped smoothly; a missing number is the median, with an indicator. Where a small
    decision tree of one column finds thresholds, each bin between them is a further column:
    0 below the bin, 1 above it, and linear between [5]_. Tables with more than 100 columns
    of numbers, and sparse ones, have no bins. Categories are one-hot. See `encoders_`.

    A network learns slowly that several columns must be beyond thresholds at once, and
    trees find it. So the last columns are the shares of the votes of `n_trees` randomised
    trees [6]_ for each class. On a training row only those trees vote whose bootstrap
    sample left it out, so that the network learns how far votes on new rows can be trusted
    (stacked generalization [7]_). With `groups`, samples are drawn by group. Sparse tables
    have no votes. For categories with more than 50 levels, trees see only the numbers.

    `cv_log_loss_` and `cv_score_` are those of single networks. The mean of all networks,
    which predicts, is usually a little better.

    `LossCurveDisplay` draws the learning curves of all networks.

    During training, the logits of all held-out rows are kept for each epoch: n_samples *
    n_outputs * `max_iter` * 4 bytes, where two classes have one output.

    With scikit-learn's ``array_api_dispatch``, an array of numbers of another library, such
    as PyTorch, stays on its device: rows are encoded there, and the networks train there,
    one after the other. Fitted arrays and predictions are on the device, too. If some of
    its columns are chosen as categorical, all this happens on the host.

    References
    ----------
    .. [1] D. Holzmueller, L. Grinsztajn and I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024,
       https://arxiv.org/abs/2407.04491
    .. [2] C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural
       networks", ICML 2017, https://arxiv.org/abs/1706.04599
    .. [3] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
       https://arxiv.org/abs/1711.05101
    .. [4] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks
       using large learning rates", 2018, https://arxiv.org/abs/1708.07120
    .. [5] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features
       in tabular deep learning", NeurIPS 2022, https://arxiv.org/abs/2203.05556
    .. [6] P. Geurts, D. Ernst and L. Wehenkel, "Extremely randomized trees", Machine
       Learning 63, 2006, https://doi.org/10.1007/s10994-006-6226-1
    .. [7] D. Wolpert, "Stacked generalization", Neural Networks 5, 1992,
       https://doi.org/10.1016/S0893-6080(05)80023-1

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_nn import BackpropMLPClassifierCV
    >>> X, y = load_wine(return_X_y=True)
    >>> model = BackpropMLPClassifierCV(random_state=0).fit(X, y)
    >>> model.cv_score_ > 0.95
    True
    """

    _doc_link_module, _doc_link_template = "sklearn_nn", CLASS_PAGE
    _parameter_constraints = {
        **{
            name: BackpropMLPClassifier._parameter_constraints[name]
            for name in ("hidden_layer_sizes", "activation", "dropout")
        },
        **{
            name: CONSTRAINTS[name]
            for name in ("alpha", "learning_rate_init", "max_iter", "batch_size")
        },
        "n_trees": [Interval(Integral, 0, None, closed="left")],
        "cv": ["cv_object"],
        "calibrate": ["boolean"],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "class_weight": CONSTRAINTS["class_weight"],
        "n_jobs": [Integral, None],
        "random_state": CONSTRAINTS["random_state"],
        "verbose": CONSTRAINTS["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (128, 128),
        activation: str | Sequence[str] = "relu",
        *,
        dropout: float | Sequence[float] = 0.15,
        alpha: float = 0.02,
        learning_rate_init: float = 0.005,
        max_iter: int = 40,
        batch_size: int | str = "auto",
        n_trees: int = 100,
        cv: Any = 5,
        calibrate: bool = True,
        categorical_features: str | ArrayLike | None = "from_dtype",
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_trees = n_trees
        self.cv = cv
        self.calibrate = calibrate
        self.categorical_features = categorical_features
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params,
    ) -> Self:
        """Train a network for each fold.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A data frame (pandas, polars) with columns of numbers, booleans, categories,
            strings or objects, or an array or CSR matrix of numbers. Missing values are
            allowed in all.
        y : array-like of shape (n_samples,)
            Labels: strings, booleans or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. Rows of weight 0 are ignored. Only ratios
            matter.
        params : dict
            `groups` of shape (n_samples,): rows of a group are held out together. With
            metadata routing, what the splitter `cv` requests.

        Returns
        -------
        self : BackpropMLPClassifierCV
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model fitted
            before stays unchanged.

        Warns
        -----
        UserWarning
            If a class of held-out rows is not among the training rows of their split. These
            rows count in the scores, but not when epoch and temperature are chosen.

        Notes
        -----
        Ctrl-C, or an exception in a callback, leaves the estimator unchanged. A callback
        that returns True ends the training of its fold.
        """
        _parameters.check_values(self)
        # Combinations, such as one dropout for each hidden layer.
        _parameters.check(networks.network_of(self, seed=0, n_training=1))
        with unchanged_on_error(self):
            data = training_data(self, X, y, sample_weight)
            params = split_params_of(self, params, sample_weight, data)
            data = data._replace(groups=params.get("groups"))
            rng = generator_of(self)
            splits = splits_of(self.cv, data, params, seed=rng.randint(2**31 - 1))
            seeds = rng.randint(2**31 - 1, size=len(splits))
            tasks = None
            if getattr(self, "_skl_callbacks", []):
                tasks = FoldTasks(self, X, y, sample_weight, len(splits))
                tasks.begin()
            self._set_fitted(data, networks.fit_folds(self, data, splits, seeds, tasks))
            if isinstance(self.random_state, np.random.RandomState):
                self.random_state.set_state(rng.get_state())
            if tasks is not None:
                tasks.end({n: v for n, v in vars(self).items() if n.endswith("_")})
        return self

    def _set_fitted(self, data, folds):
        """Set the fitted attributes."""
        self.classes_ = array_api.labels_at(data.like, data.encoding.classes)
        self.estimators_ = [fold.network for fold in folds]
        self.encoders_ = [fold.encoder for fold in folds]
        epochs = [network.best_epoch_ or network.n_iter_ for network in self.estimators_]
        self.best_epochs_ = moved_to(data.like, np.array(epochs))
        self.n_iter_ = max(network.n_iter_ for network in self.estimators_)
        result = out_of_fold(folds, data, self.calibrate)
        self.temperature_ = result.temperature
        proba = np.full((data.n_samples, len(data.encoding.classes)), np.nan)
        proba[slice(None) if data.kept is None else data.kept] = np.exp(result.log_proba)
        self.oof_predict_proba_ = moved_to(data.like, proba)
        self.cv_log_loss_, self.cv_score_ = result.log_loss, result.accuracy

    def decision_function(self, X: Any) -> Matrix:
        """Return the logarithm of the mean probabilities.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            For two classes the log odds of `classes_[1]`.
        """
        log_proba = self._log_proba(X, "decision_function")
        if self.classes_.shape[0] == 2:
            return log_proba[:, 1] - log_proba[:, 0]
        return log_proba

    def predict(self, X: Any) -> Vector:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        log_proba = self._log_proba(X, "predict")
        indices = namespace(log_proba).argmax(log_proba, axis=1)
        return array_api.labels_of(self.classes_, indices)

    def predict_proba(self, X: Any) -> Matrix:
        """Return the probability of each class, the mean over the networks.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, in float64.
        """
        log_proba = self._log_proba(X, "predict_proba")
        return namespace(log_proba).exp(log_proba)

    def predict_log_proba(self, X: Any) -> Matrix:
        """Return the logarithm of the probability of each class.

        Computed from the logits, so that it is finite even if `predict_proba` is 0.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`.
        """
        return self._log_proba(X, "predict_log_proba")

    def _log_proba(self, X, method):
        """Return the result of `predict_log_proba`; the user called `method`."""
        check_is_fitted(self)
        X = readable(X)
        array_api.check_same_place(self, X, self.oof_predict_proba_, method)
        validate_data(self, X, reset=False, skip_check_array=True)
        table = self.encoders_[0].schema.read(X)
        log_probas = []
        for encoder, network in zip(self.encoders_, self.estimators_, strict=True):
            logits = networks.logits_of(network, encoder.encode(table))
            logits = calibration.class_logits(logits, self.classes_.shape[0])
            log_probas.append(calibration.log_proba_of(logits, self.temperature_))
        return moved_to(array_api.like(X), calibration.mean_log_proba(log_probas))

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the fitted model as arrays, to store it without pickle.

        Use `np.savez(file, **model.get_state())` and `model.set_state(np.load(file))`.

        Returns
        -------
        state : dict of str -> ndarray
            Copies, none of type object. See `BackpropMLPClassifier.get_state`; the arrays
            of the networks begin with 'network_0.', 'network_1.' and so on.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_is_fitted(self)
        return persistence.state_of_folds(self)

    def set_state(self, state: Mapping[str, np.ndarray]) -> Self:
        """Restore the fitted model from the result of `get_state`.

        Parameters
        ----------
        state : mapping of str -> ndarray
            From `get_state` of an estimator of this class. The arrays are copied.

        Returns
        -------
        self : BackpropMLPClassifierCV
            The fitted estimator.

        Raises
        ------
        ValueError
            If the state is of another class or a newer format, or has an entry that is
            missing or not valid, which the error names. The estimator stays unchanged.
        """
        persistence.restore_folds(self, state, BackpropMLPClassifier)
        return self

    def __getstate__(self):
        return persistence.to_pickle(super().__getstate__())

    def __setstate__(self, state):
        check = partial(fold_contents.check_model, network_class=BackpropMLPClassifier)
        super().__setstate__(persistence.from_pickle(state, type(self), check))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata the methods and the splitter request.

        Returns
        -------
        MetadataRouter
            See scikit-learn's guide to metadata routing.
        """
        is_number = self.cv is None or isinstance(self.cv, Integral)
        splitter = StratifiedGroupKFold() if is_number else self.cv
        mapping = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=splitter, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
