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
    """Limits BLAS to one thread for one fit at a time.

    The thread that sets the limit also lifts it: threadpoolctl lets no other thread change
    it. A fit that begins meanwhile in another thread shares the limit until then; after
    that, its BLAS calls may use threads. The number of threads is always restored.
    """

    def __init__(self):
        self.lock, self.limiter = threading.Lock(), None

    def enter(self):
        """Begin; return the number of threads of BLAS, and whether this call limits it."""
        with self.lock:
            if self.limiter is not None:
                return 1, False  # the other fit uses the rest
            n_threads = n_blas_threads()
            if n_threads > 1:
                self.limiter = thread_controller().limit(limits=1, user_api="blas")
            return n_threads, n_threads > 1

    def leave(self):
        """Restore the number of threads."""
        with self.lock:
            self.limiter.restore_original_limits()
            self.limiter = None


LIMIT = Limit()


@contextmanager
def one_blas_thread():
    """Limit BLAS to one thread, and yield Threads, as many as it had."""
    n_threads, limits = LIMIT.enter()
    threads = Threads(n_threads)
    try:
        yield threads
    finally:
        threads.close()
        if limits:
            LIMIT.leave()
