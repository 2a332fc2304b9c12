"""scikit-learn's callbacks, which watch `fit`: an epoch is a task.

`sklearn.callback` came with scikit-learn 1.9; without it nothing is called and estimators
have no `set_callbacks`. `_init_callback_context` and `_skl_callbacks` are private in name,
but are how scikit-learn wants estimators to support callbacks; checked with 1.9.
"""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    N_FRAMES = 1  # that with_callbacks puts between a method and who calls it
except ImportError:
    N_FRAMES = 0

    class CallbackSupportMixin:
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


# Longer runs are told in so many tasks, of several epochs each: a progress bar adds up
# all tasks whenever one ends.
MOST_TASKS = 1000


def tasks_of(estimator, X, y, sample_weight):
    """Return the Tasks that the estimator's callbacks are told of, or None without any."""
    if not getattr(estimator, "_skl_callbacks", []):
        return None
    return Tasks(estimator, X, y, sample_weight)


class Tasks:
    """The engine's Monitor that calls scikit-learn's callbacks.

    What a callback raises stops training. In the first epoch it is raised at once. Later
    it is kept in `error`, to be raised when the estimator has the model of the last
    finished epoch.
    """

    def __init__(self, estimator, X, y, sample_weight):
        self.n_epochs_of_task = -(-estimator.max_iter // MOST_TASKS)  # rounded up
        n_tasks = -(-estimator.max_iter // self.n_epochs_of_task)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.attributes_of = None  # (state, curves) -> dict of fitted attributes
        self.latest = None  # state, curves: of the last epoch
        self.task = self.error = None
        self.fit_task = estimator._init_callback_context(max_subtasks=n_tasks)

    def begin(self, attributes_of):
        """Tell of the beginning of training; the argument is what tasks show models with.

        Parameters
        ----------
        attributes_of : callable (TrainingState, Curves) -> dict
            The fitted attributes of a model whose training has come so far.
        """
        self.attributes_of = attributes_of
        self.fit_task.call_on_fit_task_begin(**self.given)

    def epoch_begin(self):
        """Tell of a task's beginning if one begins; return True to stop."""
        if self.task is not None:
            return False
        n = self.n_epochs_of_task
        name = "epoch" if n == 1 else f"{n} epochs"
        self.task = self.fit_task.subcontext(task_name=name)
        return self.called(self.task.call_on_fit_task_begin)

    def epoch_end(self, state, curves):
        """Tell of a task's end if one ends; return True to stop."""
        self.latest = state, curves
        is_last = len(curves.objectives) % self.n_epochs_of_task == 0
        return self.end_task() if is_last else False

    def n_unwatched(self, epoch):
        """Return how many epochs follow before the last one of a task."""
        n_epochs = 0 if self.latest is None else len(self.latest[1].objectives)
        return self.n_epochs_of_task - 1 - n_epochs % self.n_epochs_of_task

    def end(self):
        """Tell of the end of training, and of a task that it has cut short."""
        if self.error is None and self.task is not None:
            self.end_task()
        if self.error is None:
            self.called(self.fit_task.call_on_fit_task_end)

    def end_task(self):
        """Tell of the end of the task; return True to stop."""
        task, self.task = self.task, None
        return self.called(task.call_on_fit_task_end)

    def called(self, hook):
        """Call all callbacks' hook; return whether one of them wants to stop."""
        models = {}
        if self.latest is not None:
            models["reconstruction_attributes"] = lambda: self.attributes_of(*self.latest)
        try:
            # The hook of a beginning returns its context.
            return hook(**self.given, **models) is True
        except Exception as error:
            if self.latest is None:
                raise
            self.error = error
            return True
