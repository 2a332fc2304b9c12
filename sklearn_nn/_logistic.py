"""Logistic regression by stochastic gradient descent."""

from numbers import Integral, Real

import numpy as np

from ._classifier import GradientClassifier
from ._engine.penalties import PENALTIES
from ._engine.types import Architecture, Layer
from ._parameters import CONSTRAINTS, Interval, StrOptions


class SGDLogisticClassifier(GradientClassifier):
    """Logistic regression, binary or softmax, by (stochastic) gradient descent.

    It minimises over the coefficients W and the intercepts b

        J(W, b) = 1/n sum_i w_i loss(y_i, x_i W^T + b) + alpha * penalty(W)

    where the loss is the cross-entropy of the sigmoid (two classes) or of one softmax
    (more), in nats, and w_i = sample_weight_i * class_weight[y_i], scaled to mean 1.
    Training starts at W = 0, b = 0. Standardise features first, for instance with
    StandardScaler: one step size then suits all of them.

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
        'sgd' is gradient descent, with momentum; 'adam' scales each coordinate's step by
        running moments of its gradient [3]_.

    learning_rate : float or {'constant', 'invscaling', 'adaptive'}, default='constant'
        A number is a constant step of that size. A name starts at `learning_rate_init`:

        - 'constant' stays there;
        - 'invscaling' is learning_rate_init / t**power_t, t the number of the update,
          from 1;
        - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs in a row bring no
          improvement of `tol`; training ends when that happens at a rate of 1e-6 or less.

    learning_rate_init : float, default=0.05
        First step size of a named schedule, > 0.

    power_t : float, default=0.5
        Exponent of 'invscaling', >= 0.

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
        gradient descent; 'full' is gradient descent.

    max_iter : int, default=1000
        Largest number of epochs of `fit`.

    shuffle : bool, default=True
        Whether rows are visited in a new random order in each epoch.

    tol : float or None, default=1e-4
        Smallest improvement of the objective (nats per sample) or of the validation
        score that counts. None trains exactly `max_iter` epochs, without a warning.

    n_iter_no_change : int or inf, default=5
        Training stops after exactly so many epochs in a row without an improvement.

    early_stopping : bool, default=False
        Whether a part of the rows is held out (stratified), and its accuracy takes the
        objective's place in the stopping rule. The best parameters are kept.

    validation_fraction : float, default=0.1
        Part of the rows to hold out for early stopping, in (0, 1).

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights.

    average : bool or int, default=False
        Whether `coef_` is the mean of the coefficients after each step (Polyak and
        Ruppert [4]_); an int is the number of the first step that counts. A mean of
        coefficients need not be exactly 0 under l1.

    warm_start : bool, default=False
        Whether `fit` goes on from the fitted model.

    random_state : int, RandomState instance or None, default=None
        Draws the validation part and the order of rows. An int makes `fit` repeatable.
        Training that goes on has its own copy of an instance's state.

    verbose : bool or int, default=False
        Whether to print a line an epoch.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W; for two classes those of the log odds of `classes_[1]`. They may
        be edited: prediction and further training use what stands here.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if X was a data frame with strings as column names.
    n_iter_ : int
        Epochs of the last call of `fit` or `partial_fit`.
    t_ : int
        Updates of the coefficients so far.
    loss_curve_ : list of float
        Of each epoch so far: mean over the rows of the loss before each step, plus the
        penalty (nats).
    best_loss_ : float or None
        Smallest value of the curve since the stopping rule began to count; None with
        early stopping.
    validation_scores_ : list of float or None
        Validation accuracy after each epoch (of rows weighted by sample and class
        weights), with early stopping.
    best_validation_score_ : float or None
        The score of the model that is kept, with early stopping.

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
    Differences from SGDClassifier(loss='log_loss'): one softmax instead of one model per
    class; batches; sparse and dense data give the same model; 'invscaling' counts
    updates; the best parameters of early stopping are kept; `partial_fit` draws a new
    order in each call and is one epoch of `fit`; a sample of weight 0 does not count as
    a step; divergence is an error, and training that ends worse than it began a warning.

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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_nn import SGDLogisticClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), SGDLogisticClassifier(random_state=0))
    >>> round(model.fit(X, y).score(X, y), 3)
    0.973
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"sgd", "adam"})],
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
        learning_rate="constant",
        learning_rate_init=0.05,
        power_t=0.5,
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
        self.class_weight = class_weight
        self.average = average
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _architecture(self, n_features, n_outputs):
        return Architecture((n_features, n_outputs), fit_intercept=self.fit_intercept)

    def _loss_name(self):
        return "log_loss"

    def _penalty(self):
        return PENALTIES[self.penalty](float(self.alpha), float(self.l1_ratio))

    def _average_from(self):
        return int(self.average)  # True is 1: from the first step

    def _initial_theta(self, architecture, rng, dtype):
        return np.zeros(architecture.n_parameters, dtype=dtype)

    def _layers(self):
        return [Layer(np.asarray(self.coef_).T, np.asarray(self.intercept_))]

    def _show_model(self, layers, encoding, run):
        self.coef_ = np.array(layers[0].weight.T, order="C")
        self.intercept_ = layers[0].intercept.copy()
