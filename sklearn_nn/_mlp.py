"""The multilayer perceptron."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

from ._classifier import GradientClassifier
from ._data import array_api
from ._data.validation import ValidationRows
from ._engine.arrays import Rows
from ._engine.epochs.optimizers import OPTIMIZERS, WITH_DECAY
from ._engine.objective.activations import ACTIVATIONS
from ._engine.objective.initial import INITS, initial_theta
from ._engine.objective.losses import LOSSES
from ._engine.objective.penalties import PENALTIES
from ._engine.types import Architecture, Layer
from ._methods import method_of
from ._monitoring.callbacks import with_callbacks
from ._parameters import CONSTRAINTS, ClassSettings, Interval, StrOptions

# Other names of activations.
SYNONYMS = {"swish": "silu"}


def has_partial_fit(estimator):
    """Return True, or raise AttributeError if the method cannot resume after each epoch."""
    if not method_of(estimator, by_partial_fit=True).is_stepwise:
        raise AttributeError(
            f"partial_fit needs a solver among {sorted(OPTIMIZERS)}: solver='lbfgs' trains "
            "on all rows at once."
        )
    return True


class BackpropMLPClassifier(GradientClassifier):
    """Multilayer perceptron, trained by backpropagation.

    By backpropagation [1]_, it minimises over the weights W and the intercepts b of a
    network f, whose outputs are logits,

        J(W, b) = 1/n sum_i w_i loss(y_i, f(x_i)) + alpha / 2 * ||W||^2

    where w_i = sample_weight_i * class_weight[y_i], scaled to mean 1. The output activation
    is a sigmoid for two classes, a softmax for more, and a sigmoid for each column of
    multilabel y. Parameters have the names and defaults of MLPClassifier, and the same
    `random_state` draws the same initial weights.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer, >= 1. () is logistic regression.

    activation : str or array-like of str, default='relu'
        Activation f(z) of the hidden layers: one name for all, or one for each.

        - 'identity': z
        - 'logistic': 1 / (1 + exp(-z))
        - 'tanh': tanh(z)
        - 'relu': max(z, 0)
        - 'leaky_relu': z, or 0.01 z if z < 0 [4]_
        - 'softplus': log(1 + exp(z)) [5]_
        - 'elu': z, or exp(z) - 1 if z < 0 [6]_
        - 'silu': z / (1 + exp(-z)) [7]_ [8]_ [9]_
        - 'swish': another name of 'silu'
        - 'gelu': z times the normal distribution function of z [7]_

    solver : {'lbfgs', 'sgd', 'adam', 'adamw'}, default='adam'
        'adam' scales each coordinate's step by running moments of its gradient [2]_.
        'adamw' takes the same step on the loss alone, and multiplies all weights by
        (1 - learning rate * alpha) [14]_. 'sgd' is gradient descent with momentum. 'lbfgs'
        is scipy's L-BFGS-B on all rows at once, good for small data.

    alpha : float, default=1e-4
        Strength of the l2 penalty, >= 0. Its effect does not depend on the batch size. With
        'adamw', the strength of the weight decay; `loss_curve_` still shows J with
        alpha / 2 * ||W||^2, although 'adamw' does not minimise it.

    batch_size : int or {'auto', 'full'}, default='auto'
        Rows per step. 'auto' is min(200, n_samples); 'full' is all. Not used by 'lbfgs'.

    learning_rate : float or {'constant', 'invscaling', 'adaptive', 'cosine', \
            'one_cycle'}, default='constant'
        A number is a constant learning rate. The schedules start from `learning_rate_init`:

        - 'constant' does not change;
        - 'invscaling' is learning_rate_init / t**power_t, where t is the number of the
          update, from 1;
        - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs in a row bring no
          improvement of `tol`; training ends when that happens at a rate of 1e-6 or less;
        - 'cosine' rises linearly for `warmup_fraction` of `max_iter` epochs, then falls to
          0 along half a cosine [12]_;
        - 'one_cycle' rises and falls along half cosines, from 1/25 of `learning_rate_init`
          to 1/250,000 of it [13]_.

        'cosine' and 'one_cycle' are cycles of `max_iter` epochs, whose peak is
        `learning_rate_init`. The position in the cycle counts all epochs since training
        began (each `partial_fit` is one, whatever the size of its chunk). If training
        resumes after a cycle, the next cycle begins. A smaller `max_iter` gives another
        schedule, not a part of this one. Set tol=None so that the stopping rule does not
        end a cycle early.

        Every schedule works with every solver except 'lbfgs'.

    learning_rate_init : float, default=0.001
        First learning rate of a schedule, > 0, or the peak of a cycle.

    power_t : float, default=0.5
        Exponent of 'invscaling', >= 0.

    warmup_fraction : float or None, default=None
        Part of a cycle before its peak, in [0, 1); None is 0 for 'cosine' and 0.3 for
        'one_cycle'. Not used by other schedules.

    max_iter : int, default=200
        Maximum number of epochs of `fit`, or of iterations of 'lbfgs'. Also the length of a
        cycle of 'cosine' and 'one_cycle', in `partial_fit`, too.

    shuffle : bool, default=True
        Whether each epoch visits the rows in a new random order.

    random_state : int, RandomState instance or None, default=None
        Draws initial weights, the held-out rows and the order of rows, in this sequence,
        and determines the masks of dropout. An int makes `fit` reproducible. Resumed
        training has its own copy of an instance's state.

    tol : float or None, default=1e-4
        Smallest improvement that counts: of the objective (nats per sample), or of the
        validation score with early stopping. 'lbfgs' ends when no component of the gradient
        is larger. None trains exactly `max_iter` epochs ('lbfgs': at most, until the
        objective falls no further), without a warning.

    verbose : bool or int, default=False
        Whether to print a line per epoch. True skips lines in long runs; 2 prints all.

    warm_start : bool, default=False
        Whether `fit` resumes from the fitted model. After a change of solver, the
        optimizer state starts from zero.

    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1]. 0 is plain gradient descent.

    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's. Only used if momentum > 0.

    early_stopping : bool, default=False
        Whether the stopping rule judges the `scoring` of validation rows instead of the
        objective. Validation rows are `X_val` of `fit`, or else a held-out part of the rows
        (stratified, except for multilabel y; classes too rare for that are trained on, with
        a warning). The model gets the best parameters. Not used by 'lbfgs'.

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

    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).

    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step, > 0.

    max_gradient_norm : float or None, default=None
        Maximum norm of the gradient, > 0. It is the norm over all parameters, with the
        penalty (but without the decay of 'adamw'). A larger gradient is scaled down to this
        norm [15]_; one that is not finite is not changed, and raises an error as
        divergence. None is no limit. Not used by 'lbfgs'.

    n_iter_no_change : int or inf, default=10
        Training stops after exactly this number of epochs in a row without improvement.

    max_fun : int, default=15000
        Maximum number of evaluations of the objective by 'lbfgs'.

    loss : {'log_loss', 'squared_error'}, default='log_loss'
        'log_loss' is the cross-entropy in nats; 'squared_error' is half the squared
        difference between probability and 0/1 label, summed over outputs.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights. For multilabel
        y only 'balanced': the product of such weights of all columns.

    init : {'auto', 'glorot', 'he'}, default='auto'
        How to draw the initial weights (fan_in, fan_out):

        - 'auto': as MLPClassifier, uniform in +-sqrt(f / (fan_in + fan_out)) with f = 2
          for 'logistic', else 6, intercepts, too (the output layer has the f of the last
          hidden layer);
        - 'glorot': uniform in +-sqrt(6 / (fan_in + fan_out)) [3]_, intercepts 0;
        - 'he': normal with variance 2 / fan_in [10]_, intercepts 0.

    dropout : float or array-like of float, default=0.0
        Probability, in [0, 1), with which a training step drops each hidden unit, drawn
        separately for each row: one number for all hidden layers, or one for each. The
        outputs of the other units are divided by 1 - dropout [11]_. Predictions and
        validation scores use all units; `loss_curve_` shows the loss with dropout. Not
        allowed with 'lbfgs', whose objective must not be random.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer, input side first. You may edit them: predictions and further
        training use the edited values. So they do if you set `coefs_`, `intercepts_` and
        `classes_` (sorted; for multilabel y, also out_activation_='logistic') on an
        estimator that is not fitted; `fit` begins from them with `warm_start`.
    intercepts_ : list of ndarray of shape (fan_out,)
        Intercepts of each layer.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels; the column numbers for multilabel y.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X was a data frame whose column names are strings.
    n_iter_ : int
        Number of epochs (iterations of 'lbfgs') of the last call of `fit` or `partial_fit`.
    t_ : int
        Number of updates of the weights so far.
    loss_ : float
        Value of `loss_curve_` in the last epoch, or in `best_epoch_` with early stopping.
        For 'lbfgs', the final objective.
    loss_curve_ : list of float
        For each epoch, the mean over the rows of the loss before each step, plus the
        penalty. This and the other curves are new lists at each access.
    best_loss_ : float or None
        Smallest value of the curve since the stopping rule began (for 'lbfgs', the final
        objective); None with early stopping.
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
    n_layers_ : int
        Number of layers, including input and output.
    n_outputs_ : int
        Number of logits.
    out_activation_ : {'logistic', 'softmax'}
        Activation that converts logits to probabilities.

    See Also
    --------
    SGDLogisticClassifier : The linear model, with l1 penalties and averaging.
    sklearn.neural_network.MLPClassifier : With alpha=a and batches of m rows, it has the
        objective of alpha=a/m here, if m divides the number of rows (for 'lbfgs', m is the
        number of rows).

    Notes
    -----
    Differences from MLPClassifier: the effect of alpha does not depend on the batch size;
    `n_iter_no_change` is exact; 'invscaling' counts updates, and schedules work with
    'adam', too; losses are computed from logits, not from clipped probabilities; held-out
    rows are stratified for more than two classes, too; at any batch size, a sample weight
    acts like repetitions of the row in a full batch (without dropout); `partial_fit` draws
    a new order in each call and equals one epoch of `fit`; `t_` counts updates; 'lbfgs'
    converges by `tol` or at rounding error; early stopping judges the loss (with
    scoring='accuracy', runs for two classes follow MLPClassifier's to rounding error, with
    one more in `n_iter_no_change`); a change of `activation` takes effect at the
    next `fit`; a single class in y gives one column of probabilities; divergence is an
    error, and a final objective far above the first and the null loss gives a warning.

    Under `sklearn.set_config(array_api_dispatch=True)` X may be an array of PyTorch or
    CuPy (with the extra `array-api`). Training runs on its device. Fitted attributes and
    predictions are such arrays, too, except for labels that are strings. ('lbfgs' keeps its
    memory on the host.)

    References
    ----------
    .. [1] D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
       back-propagating errors", Nature 323, 1986.
    .. [2] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980
    .. [3] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010, equation 16.
    .. [4] A. Maas, A. Hannun and A. Ng, "Rectifier nonlinearities improve neural network
       acoustic models", ICML workshop on deep learning for audio, speech and language
       processing, 2013.
    .. [5] C. Dugas, Y. Bengio, F. Belisle, C. Nadeau and R. Garcia, "Incorporating
       second-order functional knowledge for better option pricing", NIPS 2000.
    .. [6] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep network
       learning by exponential linear units (ELUs)", ICLR 2016,
       https://arxiv.org/abs/1511.07289
    .. [7] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016,
       https://arxiv.org/abs/1606.08415
    .. [8] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", Neural Networks 107,
       2018, https://arxiv.org/abs/1702.03118
    .. [9] P. Ramachandran, B. Zoph and Q. Le, "Searching for activation functions", 2017,
       https://arxiv.org/abs/1710.05941
    .. [10] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing
       human-level performance on ImageNet classification", ICCV 2015, equation 10,
       https://arxiv.org/abs/1502.01852
    .. [11] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov,
       "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014,
       section 10, https://jmlr.org/papers/v15/srivastava14a.html
    .. [12] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", ICLR 2017, equation 5, https://arxiv.org/abs/1608.03983
    .. [13] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks
       using large learning rates", 2018, https://arxiv.org/abs/1708.07120, with the cosines
       of fastai and the constants of PyTorch's OneCycleLR; momentum is constant.
    .. [14] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
       algorithm 2, https://arxiv.org/abs/1711.05101; as in PyTorch's AdamW, the learning
       rate multiplies the decay.
    .. [15] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent
       neural networks", ICML 2013, algorithm 1, https://arxiv.org/abs/1211.5063

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_nn import BackpropMLPClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = make_moons(400, noise=0.2, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = BackpropMLPClassifier(learning_rate=0.05, random_state=0)
    >>> round(model.fit(X_train, y_train).score(X_test, y_test), 2)
    0.96
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(ACTIVATIONS.keys() | SYNONYMS.keys()), "array-like"],
        "init": [StrOptions(set(INITS))],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "solver": [StrOptions({"lbfgs", *OPTIMIZERS})],
        "max_gradient_norm": [Interval(Real, 0, None, closed="neither"), None],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({name for name, _ in LOSSES})],
    }
    _multilabel_allowed = True
    _coefficient_names = ("coefs_", "intercepts_")

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate: float | str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        warmup_fraction: float | None = None,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float | None = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable | None = None,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        max_gradient_norm: float | None = None,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: str = "log_loss",
        class_weight: dict | str | None = None,
        init: str = "auto",
        dropout: float | Sequence[float] = 0.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.warmup_fraction = warmup_fraction
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.max_gradient_norm = max_gradient_norm
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight
        self.init = init
        self.dropout = dropout

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
        """Train by backpropagation for at most `max_iter` epochs.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, of similar scale in all features: standardise them. float32 rows train in
            float32, all others in float64. A resumed model keeps the dtype of its first
            call.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels: strings, booleans or numbers; or multilabel indicators of 0 and 1, dense
            or sparse.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. Rows of weight 0 are ignored. Only ratios
            matter, because weights are scaled to mean 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation rows, evaluated after each epoch and never trained on. With
            `early_stopping` they replace the held-out part. (In a Pipeline,
            `transform_input=["X_val"]` transforms them like X.)
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
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
            first epoch has finished, the estimator stays unchanged.

        Warns
        -----
        UserWarning
            If early stopping cannot hold out a row of a rare class.
        ConvergenceWarning
            If training ends before it has converged (after `max_iter` epochs, say, unless
            they are a cycle of learning rates), if the final objective is over 10 % above
            both the first and the loss of all-zero logits, or if the final log-loss of the
            training rows, without dropout, is over 1 % above the entropy of the class
            shares. Not if `tol` is None.

        Notes
        -----
        Ctrl-C ends training with a warning. The model is that of the last finished epoch,
        or of the best one with early stopping. In the first epoch, KeyboardInterrupt is
        raised, and the estimator stays unchanged. With solver='lbfgs' an epoch is a step.
        """
        validation_rows = ValidationRows(X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation_rows)

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: Rows,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows.

        n calls with the same rows give the same model as one `fit` of n epochs, bit for
        bit. After a `fit`, training resumes from its model. Not available with
        solver='lbfgs', which needs all rows at once.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of the data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Its labels, or multilabel indicators.
        classes : array-like of shape (n_classes,), default=None
            All labels that may occur in any call (for multilabel y: the column numbers).
            Required in the first call.
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
        """
        return self._partial_fit(X, y, classes, sample_weight)

    def _checked_hidden_layer_sizes(self):
        """Return `hidden_layer_sizes` as a tuple of positive ints, or raise."""
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, Integral):
            sizes = (sizes,)
        # np.ndim of a mapping or a set is 0.
        valid = np.ndim(sizes) == 1 and all(
            isinstance(size, Integral) and not isinstance(size, bool) and size >= 1
            for size in sizes
        )
        if not valid:
            raise ValueError(
                "hidden_layer_sizes must hold integers >= 1, one for each hidden layer; "
                f"got {self.hidden_layer_sizes!r}. Use () for a model without hidden layer."
            )
        return tuple(int(size) for size in sizes)

    def _checked_activations(self, n_hidden):
        """Return `activation` as a tuple of names, one for each hidden layer, or raise."""
        names = self.activation
        if isinstance(names, str):
            names = [names] * n_hidden
        valid = np.ndim(names) == 1 and all(isinstance(name, str) for name in names)
        names = [SYNONYMS.get(name, name) for name in names] if valid else []
        if not valid or not ACTIVATIONS.keys() >= set(names):
            raise ValueError(
                f"activation must be one of {sorted(ACTIVATIONS)}, or hold one of them for "
                f"each hidden layer; got {self.activation!r}."
            )
        return self._one_per_hidden_layer("activation", names, n_hidden)

    def _checked_dropout(self, n_hidden):
        """Return `dropout` as a tuple, one for each hidden layer, () for none, or raise."""
        rates = self.dropout
        if isinstance(rates, Real):
            rates = [rates] * n_hidden
        valid = np.ndim(rates) == 1 and all(
            isinstance(rate, Real) and not isinstance(rate, bool) and 0 <= rate < 1
            for rate in rates
        )
        if not valid:
            raise ValueError(
                "dropout must be a number in [0, 1), or hold one for each hidden layer (1 "
                f"would drop all units); got {self.dropout!r}."
            )
        rates = [float(rate) for rate in rates]
        rates = self._one_per_hidden_layer("dropout", rates, n_hidden)
        if any(rates) and not method_of(self).is_stepwise:
            raise ValueError(
                f"dropout={self.dropout!r} cannot be used with solver='lbfgs', which "
                "compares values of the objective: dropout makes them random. Set "
                "dropout=0.0, or solver='adam' or 'sgd'."
            )
        return rates if any(rates) else ()

    def _one_per_hidden_layer(self, parameter, values, n_hidden):
        """Return `values` as a tuple, or raise if their number is not `n_hidden`."""
        if len(values) != n_hidden:
            raise ValueError(
                f"{parameter} must have one entry for each hidden layer: got "
                f"{len(values)}, {getattr(self, parameter)!r}, for {n_hidden} in "
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}."
            )
        return tuple(values)

    def _architecture(self, n_features, n_outputs):
        hidden = self._checked_hidden_layer_sizes()
        sizes = (n_features, *hidden, n_outputs)
        return Architecture(sizes, self._checked_activations(len(hidden)))

    def _class_settings(self, architecture):
        penalty = "decay" if self.solver in WITH_DECAY else "l2"
        max_norm = self.max_gradient_norm
        return ClassSettings(
            penalty=PENALTIES[penalty](float(self.alpha), 0.0),
            loss=self.loss,
            max_gradient_norm=None if max_norm is None else float(max_norm),
            dropout=self._checked_dropout(len(architecture.activations)),
        )

    def _initial_theta(self, architecture, rng, dtype):
        names = architecture.activations
        # The output layer is drawn for the last hidden layer's activation.
        last = names[-1] if names else self.activation
        last = SYNONYMS.get(last, last) if isinstance(last, str) else "identity"
        sizes, names = architecture.layer_sizes, (*names, last)
        return initial_theta(sizes, names, rng, dtype, self.init)

    def _layers(self):
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        return [Layer(*map(array_api.own, pair)) for pair in pairs]

    def _set_model(self, layers, encoding):
        self.coefs_ = [array_api.copied(layer.weight) for layer in layers]
        self.intercepts_ = [array_api.copied(layer.intercept) for layer in layers]
        self.n_layers_ = len(layers) + 1
        self.n_outputs_ = encoding.n_outputs
        self.out_activation_ = encoding.out_activation
