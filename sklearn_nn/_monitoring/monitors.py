"""Several monitors of training as one."""


class MonitorList:
    """The engine's Monitor that tells all of a list; each of them can stop training."""

    def __init__(self, monitors):
        self.monitors = monitors

    def epoch_begin(self):
        """Return True to stop before this epoch."""
        wishes = [monitor.epoch_begin() for monitor in self.monitors]
        return any(wishes)

    def epoch_end(self, state, curves):
        """Return True to stop after this epoch."""
        wishes = [monitor.epoch_end(state, curves) for monitor in self.monitors]
        return any(wishes)

    def n_unwatched(self, epoch):
        """Return how many epochs after this one none need be told of."""
        return min(monitor.n_unwatched(epoch) for monitor in self.monitors)

    def end(self):
        """Tell all that no epoch follows."""
        for monitor in self.monitors:
            monitor.end()
