"""Logistic regression, by Newton's method or by stochastic gradient descent."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.validation import check_is_fitted

from ._classifier import GradientClassifier
from ._data import array_api
from ._data.validation import ValidationRows
from ._engine.arrays import Rows, to_numpy
from ._engine.epochs.optimizers import OPTIMIZERS, WITH_DECAY
from ._engine.epochs.schedules import SCHEDULES
from ._engine.objective.penalties import PENALTIES
from ._engine.types import Architecture, Layer
from ._monitoring.callbacks import with_callbacks
from ._parameters import CONSTRAINTS, ClassSettings, Interval, StrOptions


def dense(coef):
    """Return coefficients as an array: `sparsify` makes them a sparse matrix."""
    return coef.toarray() if issparse(coef) else array_api.own(coef)


class SGDLogisticClassifier(GradientClassifier):
    """Logistic regression, binary or softmax, without tuning or by gradient descent.

    It minimises, over the coefficients W and the intercepts b,

        J(W, b) = 1/n sum_i w_i loss(y_i, x_i W^T + b) + alpha * penalty(W)

    The loss is the cross-entropy of the sigmoid (two classes) or of one softmax (more), in
    nats, and w_i = sample_weight_i * class_weight[y_i], scaled to mean 1.

    By default, nothing needs tuning: `fit` takes Newton steps on growing random samples of
    the rows, in standardised coordinates, until the objective is within `tol` of its
    optimum (Notes). With a learning rate, it is the textbook's stochastic gradient descent
    from W = 0, b = 0, in the coordinates of X; then standardise the features.

    Parameters
    ----------
    penalty : {'l2', 'l1', 'elasticnet', None}, default='l2'
        'l2' is 1/2 ||W||^2, 'l1' is ||W||_1, 'elasticnet' is
        (1 - l1_ratio)/2 ||W||^2 + l1_ratio ||W||_1. Intercepts are not penalised. With an
        l1 part, coefficients become exactly 0 (by proximal steps [2]_).

    alpha : float, default=1e-4
        Strength of the penalty, >= 0. Its effect does not depend on the batch size or the
        number of rows.

    l1_ratio : float or None, default=0.15
        Share of l1 in 'elasticnet', in [0, 1]. None only with another penalty.

    fit_intercept : bool, default=True
        Whether to train intercepts. If False, they keep their values, initially 0.

    solver : {'sgd', 'adam'}, default='sgd'
        Optimizer of training with a learning rate. 'sgd' is gradient descent with momentum.
        'adam' scales each coordinate's step by running moments of its gradient [3]_. Not
        used with learning_rate='auto'.

    learning_rate : float or {'auto', 'constant', 'invscaling', 'adaptive', 'cosine', \
            'one_cycle'}, default='auto'
        'auto' needs no learning rate: see Notes. A number is a constant learning rate. The
        other schedules start from `learning_rate_init`:

        - 'constant' does not change;
        - 'invscaling' is learning_rate_init / t**power_t, where t is the number of the
          update, from 1;
        - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs in a row bring no
          improvement of `tol`; training ends when that happens at a rate of 1e-6 or less;
        - 'cosine' rises linearly for `warmup_fraction` of `max_iter` epochs, then falls to
          0 along half a cosine [8]_;
        - 'one_cycle' rises and falls along half cosines, from 1/25 of `learning_rate_init`
          to 1/250,000 of it [9]_.

        'cosine' and 'one_cycle' are cycles of `max_iter` epochs, whose peak is
        `learning_rate_init`. The position in the cycle counts all epochs since training
        began (each `partial_fit` is one, whatever the size of its chunk). If training
        resumes after a cycle, the next cycle begins. A smaller `max_iter` gives another
        schedule, not a part of this one. Set tol=None so that the stopping rule does not
        end a cycle early.

    learning_rate_init : float or None, default=None
        First learning rate of a schedule, > 0, or the peak of a cycle; None is 0.05. With a
        number, learning_rate='auto' means 'constant'.

    power_t : float, default=0.5
        Exponent of 'invscaling', >= 0.

    warmup_fraction : float or None, default=None
        Part of a cycle before its peak, in [0, 1); None is 0 for 'cosine' and 0.3 for
        'one_cycle'. Not used by other schedules.

    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1]. 0 is plain gradient descent.

    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's. Only used if momentum > 0.

    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).

    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step, > 0.

    batch_size : int or {'auto', 'full'}, default='auto'
        Rows per step. 'auto' is min(200, n_samples); 1 is the textbook's stochastic
        gradient descent; 'full' is gradient descent. With learning_rate='auto', the minimum
        number of rows of a sample: 'auto' is 1000, and 'full' uses all rows from the start.

    max_iter : int, default=1000
        Maximum number of epochs of `fit`, or of Newton steps. Also the length of a cycle of
        'cosine' and 'one_cycle', in `partial_fit`, too.

    shuffle : bool, default=True
        Whether each epoch visits the rows in a new random order.

    tol : float or None, default=1e-4
        Tolerance of the stopping rule:

        - with learning_rate='auto', training ends if the relative gap (J - J*) / J is at
          most `tol`, where J* is the optimum; with at most 100 rows, at rounding error (a
          row counts as often as its weight has the smallest one). The gap is proven where
          that is possible: see `gap_`;
        - with a learning rate, an improvement of the objective (nats per sample) counts if
          it is at least `tol`;
        - with early stopping, the same holds for the validation score;
        - None trains exactly `max_iter` epochs (with 'auto', until rounding error), without
          a warning.

    n_iter_no_change : int or inf, default=5
        Training stops after exactly this number of epochs in a row without improvement.
        With learning_rate='auto', only used by early stopping.

    early_stopping : bool, default=False
        Whether the stopping rule judges the `scoring` of validation rows instead of the
        objective. Validation rows are `X_val` of `fit`, or else a held-out part of the rows
        (stratified; classes too rare for that are trained on, with a warning). The model
        gets the best parameters.

    validation_fraction : float, default=0.1
        Part of the rows that early stopping holds out, in (0, 1). Not used if `X_val` is
        passed to `fit`.

    scoring : {'loss'}, str, callable or None, default=None
        Score of the validation rows; higher is better. 'loss' is minus the validation loss.
        None is 'loss' with `early_stopping`, as in HistGradientBoostingClassifier, else
        accuracy. A string is the name of a scorer (`sklearn.metrics.get_scorer_names`). A
        callable (estimator, X, y) -> float gets X as an ndarray or CSR. If the validation
        rows have weights, scorers get them as `sample_weight`: those of `X_val`, or sample
        times class weights of held-out rows.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights.

    average : bool or int, default=False
        Whether `coef_` is the mean of the coefficients over the steps (Polyak and
        Ruppert [4]_); an int is the first step of the mean. With l1, a mean need not be
        exactly 0. Not used with learning_rate='auto'.

    warm_start : bool, default=False
        Whether `fit` resumes from the fitted model. With learning_rate='auto', this makes a
        path over `alpha` fast. After a change of solver, or from 'auto' to a learning rate,
        the optimizer state starts from zero.

    random_state : int, RandomState instance or None, default=None
        Draws the held-out rows, and the order or the samples of rows. An int makes `fit`
        reproducible. Resumed training has its own copy of an instance's state.

    verbose : bool or int, default=False
        Whether to print a line per epoch. True skips lines in long runs; 2 prints all.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W, in the units of X; for two classes, of the log odds of
        `classes_[1]`. You may edit them: predictions and further training use the edited
        values. So they do if you set `coef_`, `intercept_` and `classes_` (sorted) on an
        estimator that is not fitted; `fit` begins from them with `warm_start`. `sparsify`
        makes them a CSR matrix.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X was a data frame whose column names are strings.
    n_iter_ : int
        Number of epochs, or Newton steps, of the last call of `fit` or `partial_fit`.
    t_ : int
        Number of updates of the coefficients so far.
    loss_ : float
        Value of `loss_curve_` in the last epoch, or in `best_epoch_` with early stopping.
        For Newton steps without early stopping, the final objective.
    gap_ : float or None
        Proven upper bound of the relative gap (J - J*) / J of `loss_` to the optimum J*, at
        most `tol` if training has converged. None if nothing was proven: with a learning
        rate, early stopping, after `partial_fit`, before convergence, or if an estimate
        ended training because a proof would have taken too long (Notes).
    loss_curve_ : list of float
        For each epoch, the mean over the rows of the loss before each step, plus the
        penalty (nats). For each Newton step, the objective before it, on its sample. This
        and the other curves are new lists at each access.
    best_loss_ : float or None
        Smallest value of the curve since the stopping rule began; after `fit` without a
        learning rate, the lower objective before or after the last step. None with early
        stopping.
    learning_rate_curve_ : list of float or None
        Learning rate of the last step of each epoch. None if no epoch had one. If only some
        epochs had one, the others are NaN; this holds for the other curves, too.
    validation_loss_curve_ : list of float or None
        Mean loss of the validation rows after each epoch, without the penalty (nats). None
        without validation rows.
    validation_scores_ : list of float or None
        `scoring` of the validation rows after each epoch.
    best_validation_score_ : float or None
        With early stopping, the score of the model, the best one; else None.
    best_epoch_ : int or None
        With early stopping, the epoch of the model, from 1 and over all calls; else None.

    See Also
    --------
    BackpropMLPClassifier : The same with hidden layers.
    sklearn.linear_model.LogisticRegression : Deterministic solvers.
        `LogisticRegression(C)` has the same optimum at alpha = 1 / (C * sum(w)), where w
        are the sample weights times class weights before scaling.
    sklearn.linear_model.SGDClassifier : One row per step. With loss='log_loss' and two
        classes, alpha is the same for l2 or no penalty on dense data.

    Notes
    -----
    With learning_rate='auto', each step of `fit` goes to the minimum of a quadratic
    approximation of J, found by Cholesky factorisation, or by conjugate gradients with l1
    or many features; without l1, the first step is then L-BFGS. Features are standardised
    to mean 0 and variance 1; values far out are left out of both, except in sparse columns
    with absent values. Sparse rows stay sparse. J, its penalty and its optimum stay those
    of X.
    The first steps use a sample of at least 1000 rows, and of at least 30 per parameter
    that they determine. Later samples are five times as large, and the last steps use all
    rows. The Hessian uses a part of them [5]_ [6]_. The quadratic includes an l1 part, so
    that zeros are exact [7]_. A step that lowers J too little is rejected and repeated with
    more rows or more damping (Levenberg and Marquardt). A run that has not converged gives
    a ConvergenceWarning.

    Training ends when a duality gap [10]_ proves that J is within `tol`: probabilities a_i
    that the last step predicts, with h = mean w_i (a_i - y_i) x_i, give the lower bound ::

        J* >= mean w_i entropy(a_i) - sum_j max(|h_j| - l1, 0)^2 / (2 l2)

    where l1 and l2 are the strengths of the penalty's parts, and h = 0 for intercepts.
    `gap_` is the relative gap so proven. A proof may take a quarter of the passes over the
    rows (with l1, as many as it needs); after that, an estimate that adds the error of the
    last step may end training, and `gap_` is None. If X is float32, a `tol` below 1e-5
    (with l1, below 1e-3) is reached by a copy in float64. Passes over many rows use as many
    threads as BLAS may (threadpoolctl, OMP_NUM_THREADS), and the model has the same bits
    for any number of them.

    Choose a learning rate to see or teach the textbook's method, or to train like another
    library.

    With learning_rate='auto', the optimum is reproducible: it is the same within `tol` for
    dense and sparse storage, any order of rows and any `random_state`. `fit` with
    warm_start resumes bit for bit, from a pickle, too. `partial_fit` uses another method,
    for streams: see there. With a learning rate, n calls of `partial_fit` with the same
    rows equal one `fit` of n epochs.

    Under `sklearn.set_config(array_api_dispatch=True)` X may be an array of PyTorch or
    CuPy (with the extra `array-api`). Training runs on its device. Fitted attributes and
    predictions are such arrays, too, except for labels that are strings. With
    learning_rate='auto', `partial_fit` copies its rows to the host, as does `fit` if the
    device has no float64.

    Differences from SGDClassifier(loss='log_loss'): no learning rate is needed; one softmax
    instead of one model per class; mini-batches; sparse and dense data give the same model;
    'invscaling' counts updates; early stopping restores the best parameters; `partial_fit`
    draws a new order in each call; a row of weight 0 does not count as a step; divergence
    is an error, and a final objective far above the first and the null loss gives a
    warning.

    References
    ----------
    .. [1] H. Robbins and S. Monro, "A stochastic approximation method", Annals of
       Mathematical Statistics 22, 1951.
    .. [2] N. Parikh and S. Boyd, "Proximal Algorithms", Foundations and Trends in
       Optimization 1, 2014, section 4.2.
    .. [3] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980
    .. [4] B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by
       averaging", SIAM J. Control and Optimization 30, 1992.
    .. [5] R. Byrd, G. Chin, W. Neveitt and J. Nocedal, "On the use of stochastic Hessian
       information in optimization methods for machine learning", SIAM J. Optimization 21,
       2011.
    .. [6] R. Byrd, G. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization
       methods for machine learning", Mathematical Programming 134, 2012.
    .. [7] J. Lee, Y. Sun and M. Saunders, "Proximal Newton-type methods for minimizing
       composite functions", SIAM J. Optimization 24, 2014.
    .. [8] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", ICLR 2017, equation 5, https://arxiv.org/abs/1608.03983
    .. [9] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks
       using large learning rates", 2018, https://arxiv.org/abs/1708.07120, with the cosines
       of fastai and the constants of PyTorch's OneCycleLR; momentum is constant.
    .. [10] S. Boyd and L. Vandenberghe, "Convex Optimization", 2004, section 5.5.1; K. Koh,
       S.-J. Kim and S. Boyd, "An interior-point method for large-scale l1-regularized
       logistic regression", JMLR 8, 2007, section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_nn import SGDLogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)  # features in very different units
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = SGDLogisticClassifier().fit(X_train, y_train)
    >>> round(model.score(X_test, y_test), 2)
    0.96
    >>> model.gap_ < 1e-4  # proven: J is this near to its optimum
    True

    The textbook's method, with a learning rate of 0.1:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = SGDLogisticClassifier(learning_rate=0.1, random_state=0)
    >>> model = make_pipeline(StandardScaler(), model).fit(X_train, y_train)
    >>> round(model.score(X_test, y_test), 2)
    0.95
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "penalty": [StrOptions(PENALTIES.keys() - {"decay", None}), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions(OPTIMIZERS.keys() - WITH_DECAY)],
        "learning_rate": [
            StrOptions({"auto", *SCHEDULES}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "average": ["boolean", Interval(Integral, 0, None, closed="left")],
    }
    _min_n_classes = 2
    _has_gap = True
    _coefficient_names = ("coef_", "intercept_")

    def __init__(
        self,
        penalty: str | None = "l2",
        *,
        alpha: float = 1e-4,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        solver: str = "sgd",
        learning_rate: float | str = "auto",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        warmup_fraction: float | None = None,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        batch_size: int | str = "auto",
        max_iter: int = 1000,
        shuffle: bool = True,
        tol: float | None = 1e-4,
        n_iter_no_change: float = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable | None = None,
        class_weight: dict | str | None = None,
        average: bool | int = False,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.warmup_fraction = warmup_fraction
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.class_weight = class_weight
        self.average = average
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: Rows | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train to the optimum, or for `max_iter` epochs with a learning rate.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data in any units; with a learning rate, standardise them. float32 rows train in
            float32, all others in float64. A resumed model keeps the dtype of its first
            call.
        y : array-like of shape (n_samples,)
            Labels of two or more classes: strings, booleans or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. Rows of weight 0 are ignored. Only ratios
            matter, because weights are scaled to mean 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation rows, evaluated after each epoch or Newton step and never trained on.
            With `early_stopping` they replace the held-out part. (In a Pipeline,
            `transform_input=["X_val"]` transforms them like X.)
        y_val : array-like of shape (n_val,), default=None
            Labels of the validation rows. Each must occur in y.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights >= 0 of the validation rows in their loss and score, which ignore class
            weights.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model fitted
            before stays unchanged.
        Exception
            If a callback raises one. The model is then as after Ctrl-C (Notes); before the
            first one has finished, the estimator stays unchanged.

        Warns
        -----
        UserWarning
            If learning_rate is 'auto' and a parameter was set that only steps with a
            learning rate read; or if early stopping cannot hold out a row of a rare class.
        ConvergenceWarning
            If training ends before it has converged: after `max_iter` Newton steps or
            epochs, say (unless the epochs are a cycle of learning rates). If the final
            objective is over 10 % above both the first and the loss of all-zero logits, or
            if the final log-loss of the training rows is over 1 % above the entropy of the
            class shares. Not if `tol` is None.

        Notes
        -----
        Ctrl-C ends training with a warning. The model is that of the last finished Newton
        step or epoch, or of the best one with early stopping. In the first one,
        KeyboardInterrupt is raised, and the estimator stays unchanged.
        """
        validation_rows = ValidationRows(X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation_rows)

    def partial_fit(
        self,
        X: Rows,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn these rows as the next chunk of a stream, or train on them for one epoch.

        Without a learning rate (learning_rate='auto'), the rows are the next chunk of a
        stream: see Notes. With one, a call is one epoch of mini-batches: n calls with the
        same rows give the same model as one `fit` of n epochs, bit for bit. After a `fit`,
        training resumes from its model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of the data.
        y : array-like of shape (n_samples,)
            Its labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that may occur in any call. Required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, scaled by the mean of all weights that the model has seen. If all
            are 0, times class weights, the call changes nothing; in the first call this is
            an error.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            As `fit`; and if the first call has no `classes`, y has a label that is not
            among them, `early_stopping` is True, or `class_weight` is 'balanced'.

        Notes
        -----
        A stream learns each row once. Features may have any units, and their means and
        scales, and the coefficients, may drift. Memory, and time per row, do not grow with
        the number of rows (curves grow by one entry per call). The same chunks give the
        same model.

        The gap to the optimum is measured, not proven. After one pass over many rows of the
        same distribution, the relative gap was 1e-6 to 3e-4 with up to 123 coefficients,
        and 6 to 19 % on MNIST and on words, which have too many features for a matrix (more
        than about 360; with k >= 3 classes, than 360 / sqrt(k)).
        """
        return self._partial_fit(X, y, classes, sample_weight)

    def sparsify(self) -> Self:
        """Store `coef_` as a CSR matrix, as scikit-learn's linear models do.

        Exists for code written for scikit-learn, where l1 has made most coefficients 0. The
        memory of training stays dense, and `fit` makes `coef_` dense again. A model in
        another array library gets NumPy arrays.

        Returns
        -------
        self : estimator
        """
        check_is_fitted(self)
        self.coef_ = csr_matrix(to_numpy(dense(self.coef_)))
        self.intercept_ = to_numpy(array_api.own(self.intercept_))
        return self

    def densify(self) -> Self:
        """Store `coef_` as an ndarray, as after `fit`.

        Returns
        -------
        self : estimator
        """
        check_is_fitted(self)
        self.coef_ = dense(self.coef_)
        return self

    def _architecture(self, n_features, n_outputs):
        return Architecture((n_features, n_outputs), fit_intercept=bool(self.fit_intercept))

    def _class_settings(self, architecture):
        if self.l1_ratio is None and self.penalty == "elasticnet":
            raise ValueError(
                "l1_ratio must be a number in [0, 1] with penalty='elasticnet'; got None."
            )
        l1_ratio = 0.0 if self.l1_ratio is None else float(self.l1_ratio)
        penalty = PENALTIES[self.penalty](float(self.alpha), l1_ratio)
        # average=True is 1: from the first step.
        return ClassSettings(penalty, average_from=int(self.average))

    def _initial_theta(self, architecture, rng, dtype):
        return np.zeros(architecture.n_parameters, dtype=dtype)

    def _layers(self):
        coef, intercept = dense(self.coef_), vars(self).get("intercept_")
        if intercept is None:  # the user has set coef_ alone, with fit_intercept=False
            intercept = np.zeros(len(coef))
        return [Layer(coef.T, array_api.own(intercept))]

    def _set_model(self, layers, encoding):
        self.coef_ = array_api.copied(layers[0].weight.T)
        self.intercept_ = array_api.copied(layers[0].intercept)
