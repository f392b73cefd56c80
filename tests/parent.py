"""A parent that makes children before, during or after its first parallel call: ``parent.py METHOD MOMENT``.

It prints the threading layer that it used, and ends with a status of 0 if every result, its own and its children's, had
the right bits. Those come from pieces too small for threads, and a mean of integers from exact arithmetic.
"""

import multiprocessing
import sys
import threading
from fractions import Fraction

import numba
import numpy as np

import fastloa as fl

SIZE, CLASSES, PIECES = 100_000, 100, 20
X = np.linspace(-9, 9, SIZE, dtype=np.float32)
ROWS = X.reshape(-1, CLASSES)
INTEGERS = np.arange(SIZE) % 19 - 9
WHOLE = INTEGERS.astype(np.float32)

SIGMOID = np.concatenate([fl.sigmoid(piece) for piece in np.array_split(X, PIECES)]).tobytes()
SOFTMAX = np.concatenate([fl.softmax(piece) for piece in np.array_split(ROWS, PIECES)]).tobytes()
MEAN = np.float32(Fraction(int(INTEGERS @ INTEGERS), SIZE))


def right():
    mean = fl.mse_loss(WHOLE, np.zeros_like(WHOLE))
    return fl.sigmoid(X).tobytes() == SIGMOID and fl.softmax(ROWS).tobytes() == SOFTMAX and mean == MEAN


def crowd():
    """Whether three threads at once, each of them twice, get the right results."""
    found = []
    threads = [threading.Thread(target=lambda: found.extend(right() for _ in range(2))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(found) == 6 and all(found)


def child(method, has_threads, generations):
    fine = right() and crowd()
    if has_threads:
        numba.threading_layer()  # an error where no parallel kernel has run
    if generations:
        fine = fine and processes(method, False, generations - 1)
    sys.exit(not fine)


def processes(method, has_threads, generations=0):
    context = multiprocessing.get_context(method)
    count = 2 if method == "fork" else 1  # the others take seconds to start
    children = [context.Process(target=child, args=(method, has_threads, generations)) for _ in range(count)]
    for one in children:
        one.start()
    for one in children:
        one.join()
    codes = [one.exitcode for one in children]
    if any(codes):
        print(f"children ended with {codes}", file=sys.stderr)
    return not any(codes)


def made(method, moment):
    """Whether all that is made now gets the right results."""
    if method == "threads":
        return crowd()
    has_threads = method != "fork" or moment in ("before", "compiling")
    return processes(method, has_threads, generations=method == "fork")


def before(method, moment):
    return made(method, moment) and right()


def launched(method, moment):
    """The caller has set the number of threads, which launches them, and no kernel has run on them."""
    numba.set_num_threads(2)
    return made(method, moment) and right()


def beside(work, method, moment):
    """Another thread works all the time, or often enough while a child takes its time to start."""
    found, done, pause = [], threading.Event(), 0.0 if method in ("fork", "threads") else 0.02

    def repeat():
        while not done.wait(pause):
            found.append(work())

    worker = threading.Thread(target=repeat)
    worker.start()
    try:
        fine = [made(method, moment) for _ in range(4 if method == "fork" else 1)]
    finally:
        done.set()
        worker.join()
    return bool(found) and all(found) and all(fine) and right()


def during(method, moment):
    return beside(right, method, moment)


def compiling(method, moment):
    return beside(lambda: numba.njit(lambda x: x + 1.0)(2.0) == 3.0, method, moment)


def after(method, moment):
    return right() and made(method, moment) and right()


MOMENTS = {one.__name__: one for one in (before, launched, during, after, compiling)}

if __name__ == "__main__":
    fine = MOMENTS[sys.argv[2]](*sys.argv[1:])
    print(numba.threading_layer())
    sys.exit(not fine)
