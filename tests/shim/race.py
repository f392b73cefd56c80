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
from fastloa_kernels.formulas.class_margins import MULTI_MARGIN_LOSS
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.formulas.projections import SPARSEMAX, SPARSEMAX_LOSS
from fastloa_kernels.formulas.rowwise import CROSS_ENTROPY, SOFTMAX
from fastloa_kernels.formulas.vectors import COSINE_EMBEDDING_LOSS

from tests.shim.driver import ShimDriver

FLAGS = ("-DSHIM_THREADS", "-fsanitize=thread")


def without_barrier(headers, name, number):
    """Give the headers without the barrier of that number in one of them."""
    counts = iter(range(1000))
    barrier = r"(__syncthreads|team\.wait|\bwait)\(\);"
    text = re.sub(barrier, lambda found: ";" if next(counts) == number else found.group(), headers[name])
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
    engine.over_arrays(DESCENT_SQUARE, "value_summed_wide", "float32", ("float32",))(
        engine.table(np.array([[x.ctypes.data, t.ctypes.data]]), np.array([2100, 9]), 0), 0, (), (1.0, np.inf, 1.0)
    )
    engine.label_weights(rng.integers(0, 5, 2100), None, None, -100, 5)


def lengths(rng, longest=2049):
    """Give rows long enough for each kind of team to use its barriers more than once."""
    for dtype, length in (("float32", 300), ("float32", 4100), ("float64", longest)):
        yield dtype, rng.normal(size=(1, length)).astype(dtype)


def rows(engine, rng):
    """Launch what adds up rows."""
    form = RowForm(value=True, grad=True, hess=True, labels=True, weighted=False)
    for dtype, x in lengths(rng, 9000):  # for a cluster
        options, classes = RowOptions(-100, 0.9, 0.1 / x.size, float(x.size), 2.0), np.array([1])
        engine.load(CROSS_ENTROPY, form, dtype)(x, classes, None, None, options, None, x.copy(), x.copy())
        for name, arrays in (("value", (x,)), ("backward_from_output", (x, x))):
            engine.load(SOFTMAX, name, dtype)(arrays, x.copy())


def projections(engine, rng):
    """Launch what moves a threshold over rows until it stands."""
    form = RowForm(value=True, grad=True, hess=True, labels=True, weighted=False)
    for dtype, x in lengths(rng):
        options = RowOptions(-100, 1.0, 0.0, float(x.size), 2.0)
        engine.load(SPARSEMAX_LOSS, form, dtype)(x, np.array([1]), None, None, options, None, x.copy(), x.copy())
        for name, arrays in (("value", (x,)), ("backward_from_output", (x, x))):
            engine.load(SPARSEMAX, name, dtype)(arrays, x.copy())


def vectors(engine, rng):
    """Launch what adds up several numbers of two rows."""
    for dtype, x in lengths(rng):
        target, grads = np.ones(1, dtype), (x.copy(), x.copy())
        load = engine.load(COSINE_EMBEDDING_LOSS, "value_and_grad", dtype)
        load((x, x[:, ::-1].copy()), target, None, (0.3,), 1.0, np.empty(1, dtype), grads)


def pairs(engine, rng):
    """Launch what adds up a row for each of its labels."""
    for dtype, x in lengths(rng):
        load = engine.load(MULTI_MARGIN_LOSS, "value_and_grad", dtype)
        load((x,), np.array([[2, 7, -1]]), None, (1.0,), 1.0, np.empty(1, dtype), (x.copy(),))


def alignments(engine, rng):
    """Launch what goes over frames, with more states than a warp has threads, and labels that are equal."""
    x, labels = rng.normal(size=(40, 1, 40)).astype("float32"), rng.integers(1, 4, 18)
    given = x, labels, np.array([[0, 18, 40]]), None, AlignmentOptions(18, 0, False, True, 1.0)
    engine.load(CTC_LOSS, "value_and_grad", "float32")(*given, np.empty(1, "float32"), x.copy())


SKELETONS = {
    "sums": sums, "rows": rows, "projections": projections, "vectors": vectors, "pairs": pairs, "alignments": alignments,
}  # fmt: skip

if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)  # the sanitizer is for this process, not for the compilers it starts
    main(*sys.argv[1:])
