"""Threads: as many passes over rows at once as BLAS may have threads.

Results do not depend on the number of threads. Work is divided by the shape of the data
only, and parts are added in their order. BLAS adds in an order that depends on its own
threads, so it has one inside `one_blas_thread`.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def thread_controller():
    """Return the controller of the loaded libraries (scikit-learn depends on it, too)."""
    return ThreadpoolController()


def n_blas_threads():
    """Return the number of threads that BLAS may use now."""
    libraries = thread_controller().lib_controllers
    numbers = [lib.num_threads for lib in libraries if lib.user_api == "blas"]
    return max(numbers, default=1)


class Threads:
    """Calls functions that release the GIL, several at once."""

    def __init__(self, n_threads: int = 1):
        self.n_threads = n_threads
        self.pool = None

    def map(self, function, arguments: list) -> list:
        """Return the results of the function for each argument, in order."""
        if self.n_threads == 1 or len(arguments) == 1:
            return [function(argument) for argument in arguments]
        if self.pool is None:  # a pool of this fit: threads do not survive a fork
            self.pool = ThreadPoolExecutor(self.n_threads)
        return list(self.pool.map(function, arguments))

    def close(self):
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()


ONE = Threads()


class Limit:
    """Limits BLAS to one thread while any thread of the process is inside."""

    def __init__(self):
        self.lock, self.n_inside, self.limiter = threading.Lock(), 0, None

    def enter(self) -> int:
        """Begin; return the number of threads that BLAS had."""
        with self.lock:
            n_threads = 1  # others may use the rest
            if self.n_inside == 0:
                n_threads = n_blas_threads()
                if n_threads > 1:
                    self.limiter = thread_controller().limit(limits=1, user_api="blas")
            self.n_inside += 1
            return n_threads

    def leave(self):
        """End; the last one restores the number of threads."""
        with self.lock:
            self.n_inside -= 1
            if self.n_inside == 0 and self.limiter is not None:
                self.limiter.restore_original_limits()
                self.limiter = None


LIMIT = Limit()


@contextmanager
def one_blas_thread():
    """Limit BLAS to one thread, and yield Threads, as many as it had."""
    threads = Threads(LIMIT.enter())
    try:
        yield threads
    finally:
        threads.close()
        LIMIT.leave()
