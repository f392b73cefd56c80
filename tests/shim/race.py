"""Runs what has barriers under ThreadSanitizer: ``python -m tests.shim.race [skeleton header barrier]``, its library
loaded first.

With a header and the number of a barrier there, one skeleton runs without it, and there should be something to report.
"""

import os
import re
import sys

import numpy as np
from fastloa_kernels.engines import AlignmentOptions, RowForm, RowOptions
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas.alignments import CTC_LOSS
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.formulas.rowwise import CROSS_ENTROPY

from tests.shim.driver import ShimDriver

FLAGS = ("-DSHIM_THREADS", "-fsanitize=thread")


def without_barrier(headers, name, number):
    """Give the headers without the barrier of that number in one of them."""
    counts = iter(range(1000))
    text = re.sub(r"__syncthreads\(\);", lambda found: ";" if next(counts) == number else found.group(), headers[name])
    assert text != headers[name]
    return headers | {name: text}


class Asked(ShimDriver):
    """Notes what is asked for, and launches nothing."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def load(self, text):
        """Note a text."""
        self.sources.append(text)
        return (lambda *_: None,) * len(text.names)


def main(name=None, header=None, number=None):
    """Launch all that has barriers, built at once: most of the time goes to reading headers."""
    if header is not None:
        changed = without_barrier(source.headers(), header, int(number))
        source.headers = lambda: changed
    asked, driver = Asked(), ShimDriver(*FLAGS)
    for engine in (Engine(asked), Engine(driver)):
        for launched in [SKELETONS[name]] if name else SKELETONS.values():
            launched(engine, np.random.default_rng(0))
        driver.prepare(asked.sources)


def sums(engine, rng):
    """Launch what adds up elements, of more than one block."""
    x, t = rng.normal(size=(2, 2100)).astype("float32")
    engine.load(MSE_LOSS, "value_and_grad_summed", "float32")((x, t), (x.copy(),), (2100.0,), ())
    engine.over_arrays(DESCENT_SQUARE, "value_summed_wide", "float32")(
        engine.table(np.array([[x.ctypes.data, t.ctypes.data]]), np.array([2100, 9]), 0), 0, (), (1.0, np.inf, 1.0)
    )
    engine.label_weights(rng.integers(0, 5, 2100), None, None, -100, 5)


def rows(engine, rng):
    """Launch what adds up rows, long enough for each kind of team to use its barriers more than once."""
    form = RowForm(value=True, grad=True, hess=True, labels=True, weighted=False)
    for dtype, classes in (("float32", 300), ("float32", 4100), ("float64", 2049)):
        rows = rng.normal(size=(1, classes)).astype(dtype)
        options = RowOptions(-100, 0.9, 0.1 / classes, float(classes), 2.0)
        dx, h = rows.copy(), rows.copy()
        engine.load(CROSS_ENTROPY, form, dtype)(rows, np.array([1]), None, None, options, None, dx, h)


def alignments(engine, rng):
    """Launch what goes over frames, with more states than a warp has threads, and labels that are equal."""
    x, labels = rng.normal(size=(40, 1, 40)).astype("float32"), rng.integers(1, 4, 18)
    given = x, labels, np.array([[0, 18, 40]]), None, AlignmentOptions(18, 0, False, True, 1.0)
    engine.load(CTC_LOSS, "value_and_grad", "float32")(*given, np.empty(1, "float32"), x.copy())


SKELETONS = {"sums": sums, "rows": rows, "alignments": alignments}

if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)  # the sanitizer is for this process, not for the compilers it starts
    main(*sys.argv[1:])
