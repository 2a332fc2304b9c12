"""Lines that are printed during training."""

import sys
import time
from math import isnan


class Printer:
    """The engine's Monitor that prints one line per epoch (`verbose`).

    Parameters
    ----------
    verbose : bool or int
        True prints the first hundred epochs, then every tenth up to the thousandth, every
        hundredth up to the ten thousandth, and so on, and the last one. 2 or more prints
        all.
    stream : file, default=None
        None is the standard output.
    label : str, default=''
        Begins each line, to tell runs in parallel threads apart.
    """

    def __init__(self, verbose=True, stream=None, label=""):
        self.prints_all = verbose > 1
        self.stream = sys.stdout if stream is None else stream
        self.label = label
        self.start = time.perf_counter()
        self.not_printed = None  # line of the last epoch, if it was skipped

    def epoch_begin(self):
        """Do nothing; `epoch_end` prints."""
        return False

    def epoch_end(self, state, curves):
        """Print epoch, loss, validation score, learning rate, and seconds so far."""
        line = self.line(state.epoch, *(curve[-1] for curve in curves))
        is_due = self.prints_all or state.epoch % interval(state.epoch) == 0
        self.not_printed = None if is_due else line
        if is_due:
            self.stream.write(line)
        return False

    def n_unwatched(self, epoch):
        """Return the number of epochs after this one that are not printed."""
        step = 1 if self.prints_all else interval(epoch + 1)
        return step - 1 - epoch % step

    def end(self):
        """Print the last epoch if it was skipped."""
        if self.not_printed is not None:
            self.stream.write(self.not_printed)

    def line(self, epoch, objective, learning_rate, validation_loss, validation_score):
        """Return the line of an epoch, without values that are NaN."""
        columns = [f"{self.label}epoch {epoch:6d}", f"loss {objective:14.8f}"]
        if not isnan(validation_score):
            columns.append(f"validation score {validation_score:8.6f}")
        if not isnan(learning_rate):
            columns.append(f"learning rate {learning_rate:9.3g}")
        columns.append(f"{time.perf_counter() - self.start:8.2f} s")
        return "  ".join(columns) + "\n"


def interval(epoch):
    """Return the number of epochs per line: 1 up to epoch 100, 10 up to 1000, and so on."""
    return 10 ** max(0, len(str(epoch - 1)) - 2)
