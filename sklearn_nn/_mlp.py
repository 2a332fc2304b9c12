"""The multilayer perceptron by backpropagation."""

from numbers import Integral

import numpy as np

from . import _array_api
from ._classifier import GradientClassifier
from ._engine.activations import ACTIVATIONS
from ._engine.penalties import PENALTIES
from ._engine.types import Architecture, Layer
from ._parameters import CONSTRAINTS, Interval, StrOptions


class BackpropMLPClassifier(GradientClassifier):
    """Multilayer perceptron, trained by backpropagation.

    It minimises over the weights W and the intercepts b of a network f that ends in
    logits

        J(W, b) = 1/n sum_i w_i loss(y_i, f(x_i)) + alpha / 2 * ||W||^2

    where w_i = sample_weight_i * class_weight[y_i], scaled to mean 1. The output is one
    sigmoid for two classes, one softmax for more, and a sigmoid for each column of
    multilabel y. Parameters have the names and defaults of MLPClassifier, and the same
    `random_state` draws the same initial weights.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units in each hidden layer, >= 1 each. () is logistic regression.

    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
        Of the hidden layers.

    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        'adam' scales each coordinate's step by running moments of its gradient [2]_;
        'sgd' is gradient descent with momentum; 'lbfgs' is scipy's L-BFGS-B on all rows
        at once, good for small data.

    alpha : float, default=1e-4
        Strength of the l2 penalty, >= 0. It means the same for every batch size.

    batch_size : int or {'auto', 'full'}, default='auto'
        Rows in a step. 'auto' is min(200, n_samples), 'full' is all. Not used by 'lbfgs'.

    learning_rate : float or {'constant', 'invscaling', 'adaptive'}, default='constant'
        A number is a constant step of that size. A name starts at `learning_rate_init`:

        - 'constant' stays there;
        - 'invscaling' is learning_rate_init / t**power_t, t the number of the update,
          from 1;
        - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs in a row bring no
          improvement of `tol`; training ends when that happens at a rate of 1e-6 or less.

        Every schedule works with 'sgd' and 'adam'.

    learning_rate_init : float, default=0.001
        First step size of a named schedule, > 0.

    power_t : float, default=0.5
        Exponent of 'invscaling', >= 0.

    max_iter : int, default=200
        Largest number of epochs of `fit`, or of iterations of 'lbfgs'.

    shuffle : bool, default=True
        Whether rows are visited in a new random order in each epoch.

    random_state : int, RandomState instance or None, default=None
        Draws initial weights, the validation part and the order of rows, in this order.
        An int makes `fit` repeatable. Training that goes on has its own copy of an
        instance's state.

    tol : float or None, default=1e-4
        Smallest improvement of the objective (nats per sample) or of the validation
        score that counts; for 'lbfgs' the largest gradient component at the end. None
        trains exactly `max_iter` epochs ('lbfgs': until it finds nothing lower), without
        a warning.

    verbose : bool or int, default=False
        Whether to print a line an epoch.

    warm_start : bool, default=False
        Whether `fit` goes on from the fitted model.

    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1]. 0 is plain gradient descent.

    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's. Only used if momentum > 0.

    early_stopping : bool, default=False
        Whether the `scoring` of rows that are not trained on takes the objective's place
        in the stopping rule. They are `X_val` of `fit`, or else a part of the rows that is
        held out (stratified, but for multilabel y). The best parameters are kept. Not
        used by 'lbfgs'.

    validation_fraction : float, default=0.1
        Part of the rows to hold out for early stopping, in (0, 1). Not used if `fit` is
        given `X_val`.

    scoring : {'loss'}, str, callable or None, default=None
        Score of the validation rows, higher is better. None is accuracy, as in
        MLPClassifier; 'loss' is minus the validation loss; else the name of a scorer
        (`sklearn.metrics.get_scorer_names`) or a callable (estimator, X, y) -> float,
        which is also given `sample_weight` if the validation rows have weights.

    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of Adam's moments, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step, > 0.

    n_iter_no_change : int or inf, default=10
        Training stops after exactly so many epochs in a row without an improvement.

    max_fun : int, default=15000
        Largest number of evaluations of the objective by 'lbfgs'.

    loss : {'log_loss', 'squared_error'}, default='log_loss'
        'log_loss' is the cross-entropy in nats; 'squared_error' is half the squared
        difference between probability and 0/1 label, summed over outputs.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, as {label: weight}. 'balanced' is
        sum(w) / (n_classes * sum of w in the class), w the sample weights. Not for
        multilabel y.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer, input side first. They may be edited: prediction and
        further training use what stands here.
    intercepts_ : list of ndarray of shape (fan_out,)
        Intercepts of each layer.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels; the column numbers for multilabel y.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if X was a data frame with strings as column names.
    n_iter_ : int
        Epochs (iterations of 'lbfgs') of the last call of `fit` or `partial_fit`.
    t_ : int
        Updates of the weights so far.
    loss_ : float
        The last epoch's value of the curve; for 'lbfgs' the objective at the end.
    loss_curve_ : list of float
        Of each epoch so far: mean over the rows of the loss before each step, plus the
        penalty.
    best_loss_ : float or None
        Smallest value of the curve since the stopping rule began to count (for 'lbfgs'
        the objective at the end); None with early stopping.
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
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of logits.
    out_activation_ : {'logistic', 'softmax'}
        What turns logits into probabilities.

    See Also
    --------
    SGDLogisticClassifier : The linear model, with l1 penalties and averaging.
    sklearn.neural_network.MLPClassifier : With alpha=a and batches of m rows it
        minimises the same objective as alpha=a/m here, where m divides the number of
        rows (m is the number of rows for 'lbfgs').

    Notes
    -----
    Differences from MLPClassifier: alpha does not depend on the batch size;
    `n_iter_no_change` is exact; 'invscaling' counts updates, and schedules work with
    'adam' too; losses are computed from logits and so never stop at a clipped
    probability; the validation part is stratified for more than two classes too; a
    sample weight acts at every batch size as so many repetitions of the row do in a
    full batch; `partial_fit` draws a new order in each call and is one epoch of `fit`;
    `t_` counts updates; `tol` alone ends 'lbfgs'; a change of `activation` takes effect at
    the next `fit`; a single class in y gives one column of probabilities; divergence is an
    error, and training that ends worse than it began a warning.

    References
    ----------
    .. [1] D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
       back-propagating errors", Nature 323, 1986.
    .. [2] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980
    .. [3] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010, equation 16.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_nn import BackpropMLPClassifier
    >>> X, y = make_moons(noise=0.1, random_state=0)
    >>> model = BackpropMLPClassifier(learning_rate=0.05, random_state=0)
    >>> model.fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({"log_loss", "squared_error"})],
    }
    _multilabel_allowed = True

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        loss="log_loss",
        class_weight=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
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
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight

    def _check_parameters(self):
        super()._check_parameters()
        self._checked_hidden_layer_sizes()

    def _checked_hidden_layer_sizes(self):
        """Return `hidden_layer_sizes` as a tuple of positive ints, or raise."""
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, Integral):
            sizes = (sizes,)
        # A mapping or a set has no order, which np.ndim shows as 0 axes.
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

    def _architecture(self, n_features, n_outputs):
        hidden = self._checked_hidden_layer_sizes()
        return Architecture((n_features, *hidden, n_outputs), self.activation)

    def _loss_name(self):
        return self.loss

    def _penalty(self):
        return PENALTIES["l2"](float(self.alpha), 0.0)

    def _average_from(self):
        return 0

    def _initial_theta(self, architecture, rng, dtype):
        return architecture.initial(rng, dtype)

    def _layers(self):
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        return [Layer(*map(_array_api.own, pair)) for pair in pairs]

    def _show_model(self, layers, encoding):
        self.coefs_ = [_array_api.copied(layer.weight) for layer in layers]
        self.intercepts_ = [_array_api.copied(layer.intercept) for layer in layers]
        self.n_layers_ = len(layers) + 1
        self.n_outputs_ = encoding.n_outputs
        self.out_activation_ = encoding.out_activation
