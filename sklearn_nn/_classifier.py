"""The class behind both estimators: fit, partial_fit, and how models are stored."""

from abc import abstractmethod
from contextlib import contextmanager

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _fitted, _parameters, _training
from ._data import labels, validation
from ._methods import method_of
from ._monitoring import convergence
from ._monitoring.callbacks import (
    N_FRAMES,
    CallbackSupportMixin,
    tasks_of,
    with_callbacks,
)
from ._monitoring.monitors import MonitorList
from ._monitoring.printing import Printer
from ._predictor import Predictor
from ._storage import persistence


@contextmanager
def unchanged_on_error(estimator):
    """Give the estimator back all its attributes if the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def has_partial_fit(estimator):
    """Return True, or raise AttributeError where the method cannot train step by step."""
    if not method_of(estimator, one_epoch=True).is_stepwise:
        raise AttributeError(
            "partial_fit needs solver='sgd', 'adam' or 'adamw': solver='lbfgs' works on "
            "all rows at once."
        )
    return True


class GradientClassifier(CallbackSupportMixin, Predictor):
    """Classifier trained by gradients; abstract, see the two classes of the package."""

    # The curves are made when they are asked for, so that training copies none.
    loss_curve_ = _fitted.curve_of("loss_curve_")
    learning_rate_curve_ = _fitted.curve_of("learning_rate_curve_")
    validation_loss_curve_ = _fitted.curve_of("validation_loss_curve_")
    validation_scores_ = _fitted.curve_of("validation_scores_")

    @abstractmethod
    def _architecture(self, n_features, n_outputs):
        """Return the Architecture of the model."""

    @abstractmethod
    def _objective(self):
        """Return the Objective: what is particular to the class in what is minimised."""

    @abstractmethod
    def _initial_theta(self, architecture, rng, dtype):
        """Return the parameters (n_parameters,) that training starts from."""

    @abstractmethod
    def _show_model(self, layers, encoding):
        """Set the attributes that hold the model to copies of `layers`."""

    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Train for at most `max_iter` epochs (or Newton steps, without a learning rate).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data in any units; training is fastest on standardised features. float32 is
            computed in float32, everything else in float64; the first call decides for a
            model that goes on.
        y : array-like of shape (n_samples,)
            Labels: strings, booleans or numbers. BackpropMLPClassifier also takes
            multilabel indicators of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. A row of weight 0 counts as absent, and only
            ratios matter: weights are scaled to mean 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Rows to validate with after each epoch, which are not trained on. With
            `early_stopping` they take the place of a part held out. (In a Pipeline,
            `transform_input=["X_val"]` has them transformed as X.)
        y_val : array-like of shape (n_val,), default=None
            Their labels, all of them among those in y.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights >= 0 in validation loss and score; class weights do not count
            there.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model that
            was fitted before stays as it was.
        Exception
            What a callback raises, after which the model is that of the last finished
            epoch.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs ended before the stopping rule was met, or the objective
            is worse in the end than at the start and than that of knowing nothing (unless
            `tol` is None).

        Notes
        -----
        Ctrl-C ends training with the model of the last finished epoch and a warning; in
        the first epoch it leaves the estimator as it was.
        """
        _parameters.check(self)
        method, given = method_of(self), validation.Given(X_val, y_val, sample_weight_val)
        tasks = tasks_of(self, X, y, sample_weight)
        with unchanged_on_error(self):
            prepared = _training.prepare(
                self, method, X, y, sample_weight, _training.fit_encoding, given
            )
            run = self._train(prepared, tasks)
        if tasks is not None and tasks.error is not None:
            raise tasks.error
        convergence.warn(self, method, run, stacklevel=3 + N_FRAMES)
        return self

    @available_if(has_partial_fit)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch over the rows given, in mini-batches.

        n calls with the same rows give the model of one `fit` of n epochs, bit for bit.
        Without a learning rate (learning_rate='auto') the rows are a chunk of a stream
        instead, each learned once: features may have any units, and means, scales and
        coefficients may drift. Memory and time of a row do not grow with the rows seen
        (curves do, by an entry a call), and the same chunks give the same model. How near J
        comes to its optimum is measured, not proven: after one pass over many rows of one
        kind the relative gap was 1e-6 to 3e-4 with up to 123 coefficients, 6 to 19 % on
        digits and on words, whose coefficients are too many for a matrix (more than about
        360, fewer for three classes and more). After a `fit` the stream goes on from its
        model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of the data.
        y : array-like of shape (n_samples,)
            Its labels, or multilabel indicators (n_samples, n_outputs).
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come (for multilabel y: the column numbers). The
            first call needs it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, scaled by the mean of all weights that the model has seen.

        Returns
        -------
        self : estimator
            The estimator, one epoch further.

        Raises
        ------
        ValueError
            As `fit`; and if the first call has no `classes`, y has a label that is not
            among them, `early_stopping` is True, or `class_weight` is 'balanced'.
        """
        _parameters.check(self)
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it trains on "
                "every row it is given. Set early_stopping=False."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which never "
                "has all labels at once. Pass a dict of class weights, or sample_weight."
            )

        def encoding_of(y, kept):
            return labels.partial_fit_encoding(y, classes, kept)

        method = method_of(self, one_epoch=True)
        with unchanged_on_error(self):
            prepared = _training.prepare(
                self, method, X, y, sample_weight, encoding_of, one_epoch=True
            )
            self._train(prepared)
        return self

    def _train(self, prepared, tasks=None):
        """Train, set the fitted attributes and return the TrainingRun.

        Parameters
        ----------
        prepared : Prepared
        tasks : Tasks, or None if nobody calls back
        """
        monitors = [Printer(self.verbose)] if self.verbose else []
        if tasks is not None:
            monitors.append(tasks)
            tasks.begin(lambda *so_far: _fitted.attributes_at(self, prepared, *so_far))
        monitor = MonitorList(monitors) if monitors else None
        run = _training.run(prepared, monitor)
        rows_seen = prepared.rows_seen(run.state)
        _fitted.finish(self, prepared.method, prepared.start, run, rows_seen, prepared.like)
        if monitor is not None:
            monitor.end()
        return run

    def get_state(self):
        """Return all that was learned, and all that training needs to go on, as arrays.

        For a store without pickle: `np.savez(file, **model.get_state())`, and
        `model.set_state(np.load(file))` on an estimator with the same parameters, which
        are not in it. It predicts the same, and `partial_fit` and `warm_start` go on bit
        for bit.

        Returns
        -------
        state : dict of str -> ndarray
            Copies, none of type object: numbers, strings, under 'structure' a text in
            JSON that says how they belong together, and under 'origin' the class, the
            format and the release. Of a model of another array library (PyTorch's
            tensors, say) they are NumPy's too, and so is the model that gets them.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        TypeError
            If a fitted attribute has been set to what no array can hold.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_nn import SGDLogisticClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> state = SGDLogisticClassifier().fit(X, y).get_state()
        >>> SGDLogisticClassifier().set_state(state).score(X, y)
        0.98
        """
        check_is_fitted(self)
        return persistence.state_of(self)

    def set_state(self, state):
        """Make the model that of `get_state`; see there.

        Parameters
        ----------
        state : mapping of str -> ndarray
            From `get_state` of an estimator of this class with the same constructor
            parameters: where others differ from those that training had, they act as
            after `set_params` on the fitted model. Its arrays are copied.

        Returns
        -------
        self : estimator
            The estimator, fitted as the one that the state is from. A RandomState that it
            was given stays where it is: training goes on with that of the state.

        Raises
        ------
        ValueError
            If the state is of another class or a newer format, lacks something, or has
            other layers than the parameters say. The estimator stays as it was.
        """
        persistence.restore(self, state)
        return self

    def __copy__(self):
        # As Python would without __getstate__; callbacks ask for a copy in every epoch.
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __getstate__(self):
        return persistence.to_pickle(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(persistence.from_pickle(state, type(self)))
