"""scikit-learn's callbacks of `fit`, for which an epoch is a task.

`sklearn.callback` is new in scikit-learn 1.9; without it, estimators have no
`set_callbacks`. Its documentation tells estimators to use `_init_callback_context` and
`_skl_callbacks`, although their names are private; checked with 1.9.
"""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    N_FRAMES = 1  # stack frames that with_callbacks adds to a call
except ImportError:
    N_FRAMES = 0

    class CallbackSupportMixin:
        """Empty: this scikit-learn has no callbacks."""

    def with_callbacks(method):
        """Return the method unchanged."""
        return method


# Maximum number of tasks; in longer runs, a task is several epochs. A progress bar adds up
# all tasks whenever one ends.
MAX_TASKS = 1000


def tasks_of(estimator, X, y, sample_weight):
    """Return the Tasks for the estimator's callbacks, or None without callbacks."""
    if not getattr(estimator, "_skl_callbacks", []):
        return None
    n_epochs_of_task = epochs_of_task(estimator.max_iter)
    n_tasks = -(-estimator.max_iter // n_epochs_of_task)
    task = estimator._init_callback_context(max_subtasks=n_tasks)
    return Tasks(given_to_hooks(estimator, X, y, sample_weight), task, n_epochs_of_task)


def epochs_of_task(n_epochs):
    """Return the number of epochs in each task of at most MAX_TASKS."""
    return -(-n_epochs // MAX_TASKS)  # rounded up


def given_to_hooks(estimator, X, y, sample_weight):
    """Return the arguments of all hooks."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": estimator, "X": X, "y": y, "metadata": metadata}


class FoldTasks:
    """The tasks of a fit with a network for each fold: folds, and in each its epochs."""

    def __init__(self, estimator, X, y, sample_weight, n_folds):
        self.given = given_to_hooks(estimator, X, y, sample_weight)
        self.n_epochs = estimator.max_iter
        # Folds are trained in any order, by several threads.
        self.fit_task = estimator._init_callback_context(
            max_subtasks=n_folds, sequential_subtasks=False
        )

    def begin(self):
        """Call the callbacks at the start of the fit."""
        self.fit_task.call_on_fit_task_begin(**self.given)

    def of_fold(self, k):
        """Return the Tasks of fold k, and call the callbacks at its start."""
        n_epochs_of_task = epochs_of_task(self.n_epochs)
        task = self.fit_task.subcontext(
            task_name="fold", task_id=k, max_subtasks=-(-self.n_epochs // n_epochs_of_task)
        )
        tasks = Tasks(self.given, task, n_epochs_of_task)
        tasks.fit_begin(None)
        return tasks

    def end(self, attributes):
        """Call the callbacks at the end of the fit, with the fitted attributes."""
        self.fit_task.call_on_fit_task_end(
            **self.given, reconstruction_attributes=lambda: attributes
        )


class Tasks:
    """The engine's Monitor that calls scikit-learn's callbacks, such as a progress bar.

    An exception in a callback stops training. Until the first epoch has finished, it is
    raised at once. Later `error` keeps it, and `fit` raises it after it has set the model
    of the last finished epoch, or of the best one with early stopping.
    """

    def __init__(self, given, task, n_epochs_of_task):
        self.given = given  # arguments of all hooks
        self.fit_task = task  # whose subtasks are epochs
        self.n_epochs_of_task = n_epochs_of_task
        self.attributes_of = None  # (state, curves) -> dict of fitted attributes
        self.latest = None  # state, curves of the last epoch
        self.task = self.error = None

    def fit_begin(self, attributes_of):
        """Call the callbacks at the start of training.

        `attributes_of` is a callable (TrainingState, Curves) -> fitted attributes as if
        training ended there, for callbacks that need a model; None if there is none.
        """
        self.attributes_of = attributes_of
        self.fit_task.call_on_fit_task_begin(**self.given)

    def epoch_begin(self):
        """Call the callbacks if a task begins; return True to stop training."""
        if self.task is not None:
            return False
        n = self.n_epochs_of_task
        name = "epoch" if n == 1 else f"{n} epochs"
        self.task = self.fit_task.subcontext(task_name=name)
        return self.called(self.task.call_on_fit_task_begin)

    def epoch_end(self, state, curves):
        """Call the callbacks if a task ends; return True to stop training."""
        self.latest = state, curves
        is_last = len(curves.objectives) % self.n_epochs_of_task == 0
        return self.end_task() if is_last else False

    def n_unwatched(self, epoch):
        """Return the number of epochs before the last one of the task."""
        n_epochs = 0 if self.latest is None else len(self.latest[1].objectives)
        return self.n_epochs_of_task - 1 - n_epochs % self.n_epochs_of_task

    def end(self):
        """Call the callbacks at the end of training, and of an unfinished task."""
        if self.error is None and self.task is not None:
            self.end_task()
        if self.error is None:
            self.called(self.fit_task.call_on_fit_task_end)

    def end_task(self):
        """Call the callbacks at the end of the task; return True to stop training."""
        task, self.task = self.task, None
        return self.called(task.call_on_fit_task_end)

    def called(self, hook):
        """Call a hook of all callbacks; return whether one of them stops training."""
        models = {}
        if self.latest is not None and self.attributes_of is not None:
            models["reconstruction_attributes"] = lambda: self.attributes_of(*self.latest)
        try:
            # Hooks of a start return a context, not True.
            return hook(**self.given, **models) is True
        except Exception as error:
            if self.latest is None:
                raise
            self.error = error
            return True
