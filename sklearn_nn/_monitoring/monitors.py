"""Several monitors combined into one."""


class MonitorList:
    """The engine's Monitor that calls all monitors of a list; each can stop training."""

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
        """Return the number of epochs after this one that none needs."""
        return min(monitor.n_unwatched(epoch) for monitor in self.monitors)

    def end(self):
        """Call `end` of all monitors."""
        for monitor in self.monitors:
            monitor.end()
