"""What a user sees during training."""

import sys
import time


class Printer:
    """The engine's Monitor that prints one line an epoch (`verbose`)."""

    def __init__(self, stream=None):
        self.stream = sys.stdout if stream is None else stream
        self.start = time.perf_counter()

    def epoch_begin(self):
        """Do nothing: a line is printed when an epoch has ended."""

    def epoch_end(self, state, objective, score, learning_rate):
        """Print epoch, loss, validation score, learning rate and seconds so far."""
        columns = [f"epoch {state.epoch:6d}", f"loss {objective:14.8f}"]
        if score is not None:
            columns.append(f"validation score {score:8.6f}")
        if learning_rate is not None:
            columns.append(f"learning rate {learning_rate:9.3g}")
        columns.append(f"{time.perf_counter() - self.start:8.2f} s")
        self.stream.write("  ".join(columns) + "\n")
        return False
