"""Logistic regression by stochastic gradient descent."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.validation import check_is_fitted

from ._classifier import GradientClassifier
from ._data import array_api
from ._engine.arrays import to_numpy
from ._engine.epochs.optimizers import OPTIMIZERS, WITH_DECAY
from ._engine.epochs.schedules import SCHEDULES
from ._engine.objective.penalties import PENALTIES
from ._engine.types import Architecture, Layer
from ._parameters import CONSTRAINTS, Interval, Objective, StrOptions


def dense(coef):
    """Return coefficients, which a user may have made sparse, as an array."""
    return coef.toarray() if issparse(coef) else array_api.own(coef)


class SGDLogisticClassifier(GradientClassifier):
    """Logistic regression, binary or softmax, by stochastic gradients.

    It minimises over the coefficients W and the intercepts b

        J(W, b) = 1/n sum_i w_i loss(y_i, x_i W^T + b) + alpha * penalty(W)

    where the loss is the cross-entropy of the sigmoid (two classes) or of one softmax
    (more), in nats, and w_i = sample_weight_i * class_weight[y_i], scaled to mean 1.
    By default there is nothing to tune: `fit` takes Newton steps on random samples of the
    rows that grow to all of them, in standardised coordinates, until the objective is
    within `tol` of its optimum (Notes). Given a learning rate, it is the textbook's
    stochastic gradient descent from W = 0, b = 0 in the coordinates of X; standardise
    features then.

    Parameters
    ----------
    penalty : {'l2', 'l1', 'elasticnet', None}, default='l2'
        'l2' is 1/2 ||W||^2, 'l1' is ||W||_1, 'elasticnet' is
        (1 - l1_ratio)/2 ||W||^2 + l1_ratio ||W||_1. Intercepts are never penalised. With
        an l1 part, coefficients become exactly 0 (by a proximal step, [2]_).

    alpha : float, default=1e-4
        Strength of the penalty, >= 0. It means the same for every batch size and number
        of rows.

    l1_ratio : float, default=0.15
        Share of l1 in 'elasticnet', in [0, 1].

    fit_intercept : bool, default=True
        Whether to train intercepts; if not, they stay where they are, at first 0.

    solver : {'sgd', 'adam'}, default='sgd'
        What a step with a learning rate is: 'sgd' is gradient descent, with momentum;
        'adam' scales each coordinate's step by running moments of its gradient [3]_. It
        has no meaning under learning_rate='auto', which steps otherwise.

    learning_rate : float or {'auto', 'constant', 'invscaling', 'adaptive', 'cosine', \
            'one_cycle'}, default='auto'
        'auto' needs no learning rate: see Notes. A number is a constant step of that
        size. The other names take it from `learning_rate_init`:

        - 'constant' stays there;
        - 'invscaling' is learning_rate_init / t**power_t, t the number of the update,
          from 1;
        - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs in a row bring no
          improvement of `tol`; training ends when that happens at a rate of 1e-6 or less;
        - 'cosine' rises along a line for `warmup_fraction` of `max_iter` epochs, and then
          falls to 0 along half a cosine [8]_;
        - 'one_cycle' rises and falls along half cosines, from 1/25 of `learning_rate_init`
          to 1/250,000 of it [9]_.

        'cosine' and 'one_cycle' reach `learning_rate_init` as their peak, at their place
        in a cycle of `max_iter` epochs, counted since training began (each `partial_fit`
        is one, whatever its chunk); training that goes
        on after a cycle begins the next. A run with a smaller `max_iter` is another
        schedule, not a part of this one, and tol=None keeps the stopping rule from cutting
        a cycle short.

    learning_rate_init : float or None, default=None
        First step size of a named schedule, > 0, of a cycle the largest; None is 0.05.
        Given together with learning_rate='auto' it makes that 'constant'.

    power_t : float, default=0.5
        Exponent of 'invscaling', >= 0.

    warmup_fraction : float or None, default=None
        Part of a cycle in which its rate rises, in [0, 1); None is 0 for 'cosine' and 0.3
        for 'one_cycle'. Not used by other schedules.

    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1]. 0 is plain gradient descent.

    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's. Only used if momentum > 0.

    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of Adam's moments, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step, > 0.

    batch_size : int or {'auto', 'full'}, default='auto'
        Rows in a step. 'auto' is min(200, n_samples); 1 is the textbook's stochastic
        gradient descent; 'full' is gradient descent. Under learning_rate='auto': smallest
        number of rows of a sample, by default 1000; 'full' takes no samples.

    max_iter : int, default=1000
        Largest number of epochs of `fit`, or of Newton steps; the length of a cycle of
        'cosine' and 'one_cycle', in `partial_fit` too.

    shuffle : bool, default=True
        Whether rows are visited in a new random order in each epoch.

    tol : float or None, default=1e-4
        Under learning_rate='auto' the relative gap (J - J*) / J* to end at, J* the
        optimum; up to 1000 rows the gap is smaller, at rounding. Otherwise the smallest
        improvement of the objective (nats per sample) that counts; and, in both cases, of
        the validation score. None trains exactly `max_iter` epochs (under 'auto': up to
        rounding), without a warning.

    n_iter_no_change : int or inf, default=5
        Training stops after exactly so many epochs in a row without an improvement. Under
        learning_rate='auto' it is used with early stopping only.

    early_stopping : bool, default=False
        Whether the `scoring` of rows that are not trained on takes the objective's place
        in the stopping rule. They are `X_val` of `fit`, or else a part of the rows that is
        held out (stratified). The best parameters are kept.

    validation_fraction : float, default=0.1
        Part of the rows to hold out for early stopping, in (0, 1). Not used if `fit` is
        given `X_val`.

    scoring : {'loss'}, str, callable or None, default=None
        Score of the validation rows, higher is better. None is accuracy, as in
        MLPClassifier; 'loss' is minus the validation loss; else the name of a scorer
        (`sklearn.metrics.get_scorer_names`) or a callable (estimator, X, y) -> float,
        which is also given `sample_weight` if the validation rows have weights: those of
        `X_val`, or of rows held out sample times class weights. X is an ndarray or CSR.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights.

    average : bool or int, default=False
        Whether `coef_` is the mean of the coefficients after each step (Polyak and
        Ruppert [4]_); an int is the number of the first step that counts. A mean of
        coefficients need not be exactly 0 under l1. It has no meaning under
        learning_rate='auto'.

    warm_start : bool, default=False
        Whether `fit` goes on from the fitted model. Under learning_rate='auto' this makes
        a path over `alpha` fast. Another solver, or a learning rate after 'auto', begins
        what it remembers of its steps anew.

    random_state : int, RandomState instance or None, default=None
        Draws the validation part, and the order or the samples of rows. An int makes `fit`
        repeatable. Training that goes on has its own copy of an instance's state.

    verbose : bool or int, default=False
        Whether to print a line an epoch.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W, in the units of X; for two classes those of the log odds of
        `classes_[1]`. They may be edited: prediction and further training use what stands
        here. `sparsify` makes them a CSR matrix.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X was a data frame with strings as column names.
    n_iter_ : int
        Epochs, or Newton steps, of the last call of `fit` or `partial_fit`.
    t_ : int
        Updates of the coefficients so far.
    loss_ : float
        The last epoch's value of the curve, with early stopping that of `best_epoch_`; of
        Newton steps the objective at the end.
    loss_curve_ : list of float
        Of each epoch so far: mean over the rows of the loss before each step, plus the
        penalty (nats). Of Newton steps: the objective before each, on its sample. This and
        the other curves are new lists each time they are asked for.
    best_loss_ : float or None
        Smallest value of the curve since the stopping rule began to count; None with
        early stopping.
    learning_rate_curve_ : list of float or None
        Learning rate of the last step of each epoch. None for a method without one, which
        leaves NaN where training with a learning rate goes on; so do other curves.
    validation_loss_curve_ : list of float or None
        Mean loss of the validation rows after each epoch, without the penalty (nats), if
        there were any.
    validation_scores_ : list of float or None
        Their `scoring` after each epoch.
    best_validation_score_ : float or None
        The score of the model that is kept, with early stopping.
    best_epoch_ : int or None
        The epoch, from 1 and over all calls, that led to it, with early stopping.

    See Also
    --------
    BackpropMLPClassifier : The same with hidden layers.
    sklearn.linear_model.LogisticRegression : Deterministic solvers;
        `LogisticRegression(C)` has the same optimum at alpha = 1 / (C * sum(w)), w the
        sample weights times class weights before scaling.
    sklearn.linear_model.SGDClassifier : One row a step; with loss='log_loss' and two
        classes it has the same alpha, for l2 or no penalty on dense data.

    Notes
    -----
    learning_rate='auto': `fit` steps to the minimum of a quadratic model of J around the
    present point, found by conjugate gradients, in coordinates in which dense features
    have mean 0 and variance 1 (sparse ones are only scaled); J, its penalty and its
    optimum stay those of X. The first steps see about 1000 rows, later ones samples five
    times as large, the last ones all rows, while the model's Hessian is taken on a part
    of them [5]_ [6]_; an l1 part belongs to the model, so that zeros are exact [7]_. What
    the model promises to gain, half of the squared Newton decrement, estimates the gap
    that `tol` is compared with. This is safe because a step that does not lower J as
    promised is not taken, but repeated with more rows or more damping (Levenberg and
    Marquardt), and because a run that has not arrived says so in a ConvergenceWarning.
    Choose a learning rate instead to see or to teach the textbook's method, or to train
    as another library does.

    For learning_rate='auto' the optimum is what repeats: the same within `tol` for dense
    and sparse storage, any order of rows and any `random_state`. `fit` with warm_start
    after a pickle or with `max_iter` reached goes on bit for bit. `partial_fit` is another
    method, for streams: see there. With a learning rate n calls of `partial_fit` with the
    same rows are one `fit` of n epochs.

    Under `sklearn.set_config(array_api_dispatch=True)` X may be an array of PyTorch or
    CuPy (with the extra `array-api`). Training runs on its device, and fitted attributes
    and predictions are such arrays there, but for labels that are strings. With
    learning_rate='auto' rows are moved to the host for `fit` and `partial_fit`.

    Differences from SGDClassifier(loss='log_loss'): no learning rate is needed; one
    softmax instead of one model per class; batches; sparse and dense data give the same
    model; 'invscaling' counts updates; the best parameters of early stopping are kept;
    `partial_fit` draws a new order in each call; a sample of weight 0 does not count as a
    step; divergence is an error, and training that ends worse than it began a warning.

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
       using large learning rates", 2018, https://arxiv.org/abs/1708.07120, with the
       cosines of fastai and the numbers of PyTorch's OneCycleLR; momentum stays.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_nn import SGDLogisticClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> round(SGDLogisticClassifier().fit(X, y).score(X, y), 3)
    0.98

    The textbook's method, with a step of 0.1:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = SGDLogisticClassifier(learning_rate=0.1, random_state=0)
    >>> round(make_pipeline(StandardScaler(), model).fit(X, y).score(X, y), 3)
    0.973
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "penalty": [StrOptions(PENALTIES.keys() - {"decay", None}), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions(OPTIMIZERS.keys() - WITH_DECAY)],
        "learning_rate": [
            StrOptions({"auto", *SCHEDULES}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "average": ["boolean", Interval(Integral, 0, None, closed="left")],
    }
    _smallest_n_classes = 2

    def __init__(
        self,
        penalty="l2",
        *,
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        solver="sgd",
        learning_rate="auto",
        learning_rate_init=None,
        power_t=0.5,
        warmup_fraction=None,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        batch_size="auto",
        max_iter=1000,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=5,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        class_weight=None,
        average=False,
        warm_start=False,
        random_state=None,
        verbose=False,
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

    def sparsify(self):
        """Store `coef_` as a CSR matrix, as scikit-learn's linear models do.

        That is for code which looks for it, where l1 has made most coefficients 0; what
        training needs to go on stays dense, and `fit` makes `coef_` dense again. A model of
        another array library becomes one of NumPy's arrays by it.

        Returns
        -------
        self : estimator
        """
        check_is_fitted(self)
        self.coef_ = csr_matrix(to_numpy(dense(self.coef_)))
        self.intercept_ = to_numpy(array_api.own(self.intercept_))
        return self

    def densify(self):
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

    def _objective(self):
        penalty = PENALTIES[self.penalty](float(self.alpha), float(self.l1_ratio))
        # average=True is 1: from the first step.
        return Objective(penalty, average_from=int(self.average))

    def _initial_theta(self, architecture, rng, dtype):
        return np.zeros(architecture.n_parameters, dtype=dtype)

    def _layers(self):
        return [Layer(dense(self.coef_).T, array_api.own(self.intercept_))]

    def _show_model(self, layers, encoding):
        self.coef_ = array_api.copied(layers[0].weight.T)
        self.intercept_ = array_api.copied(layers[0].intercept)
