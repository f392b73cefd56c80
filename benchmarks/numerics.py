"""Writes ``docs/numerics.md`` from ``benchmarks/results/accuracy.json``: ``python benchmarks/numerics.py``."""

import functools
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastloa as fl
from fastloa.channel_operations import ChannelActivation
from fastloa.cli.accuracy_report import lines, ulp
from fastloa.cli.accuracy_table import functions
from fastloa.cli.bench import DTYPES
from fastloa.cli.exact_activations import GELU_ZERO, MISH_ZERO, OPTIONS, QUICK_GELU_ZERO, SILU_ZERO
from fastloa.gated_operations import GatedActivation, SplitActivation
from fastloa.loss_operations import LossOperation
from fastloa.operations import Activation
from fastloa.row_operations import RowActivation

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "benchmarks" / "results" / "accuracy.json"
TARGET = ROOT / "docs" / "numerics.md"
PEERS = ("PyTorch", "SciPy", "NumPy")
SPECIAL = (-np.inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, np.inf, np.nan)

HEAD = """\
# Numerics: how far results are from the exact ones

This page is written by `python benchmarks/numerics.py` from `benchmarks/results/accuracy.json`, which comes from

    fastloa accuracy --exhaustive --points 1e7 --json benchmarks/results/accuracy.json

({hours}, two cores of an {cpu}; Python {python}, NumPy {numpy}, numba {numba}, PyTorch {torch}, SciPy {scipy}). An
interrupted run goes on with the same command, which keeps what the file has: to measure a function again, remove its
rows, each of which names the kernels that it is of. `fastloa accuracy` alone takes minutes, on a million points.

The exact results are the textbook's formulas in float64, or for float64 in NumPy's longdouble
(`fastloa/cli/exact_*.py`; the tests hold them to mpmath). Elementwise activations and their derivatives are
tried on every number of 16 bits and of float32. In float64 half of their operands are of all magnitudes, from the least
subnormal number to the greatest, and half lie where they bend. Losses take theirs from powers of ten, the ends of the
range and infinities (counts and amounts are finite), and at random; rows have 2 to 1,000 classes, flat or steep.

- **ulp** is the greatest error, in units in the last place of the exact result (those of subnormal numbers at the
  least, and of the greatest number at most). 0.5 is rounded correctly. An infinity in place of a finite result stands
  for the power of two after the greatest number, so that results that leave the range a rounding early or late count
  as such. inf means NaN for a number, or the reverse, or a number for an infinity, or more than 1e308 ulp.
- **> 0.5** is the part of the results that are not the number next to the exact one.
- **lost** counts results that are 0 where the exact one is at least the least subnormal number.
- The other libraries' columns give their ulp and what they lose, for the same operands.
- A derivative (`.derivative`, `.grad`, `.hess`) of another library is that of its automatic differentiation.

"""

LIMITS = """\
## The limits, and where they are missed

The limits: {limits}; and no result may be lost. Missed by:

{missed}

"""

WAITING = """\
Not yet measured on all these numbers, but held to the same limits by the tests, and by `fastloa accuracy` on a million:

{names}.

"""

SUMS = """\
## Sums and means

Within 1 ulp of the correctly rounded sum of what is summed, whatever its length, and the same bits on any number of
threads (`tests/test_sums.py`; 10**8 elements are a test marked slow). Missed by:

- sums of mixed signs whose terms cancel by more than 29 binary digits in float32, or 53 in float64: they lose what is
  beyond;
- a float64 mean of a few rows of probabilities as targets, with weights of rows and a mask: up to 2.4 ulp, for the
  rows' losses, the sum of the weights and the quotient are each rounded;
- means that overflow on the way on a GPU, and in losses of rows, which stay infinite; on a CPU those of elements are
  taken again, wider or scaled down.

"""

SPECIALS = """\
## Special operands

In float32; NaN in any operand of an element gives NaN in its value and its derivatives.

"""


ACTIVATIONS = (Activation, ChannelActivation, GatedActivation, RowActivation, SplitActivation)


def limit(operation: str, form: str, dtype: str) -> float:
    """The ulp that a result may be off."""
    if dtype in ("float16", "bfloat16"):
        # A loss of 16 bits is a float32.
        return 2.0 if isinstance(getattr(fl, operation), LossOperation) else 0.51
    if isinstance(getattr(fl, operation), ACTIVATIONS):
        return {"float32": 1.0 if form == "value" else 2.0, "float64": 1.5}[dtype]
    return 2.0


WORDS = (
    "activations 1.0 ulp in float32, their derivatives 2.0; both 1.5 in float64 and 0.51 in 16 bits; losses and their "
    "derivatives 2.0"
)
EXPONENTIALS = "it follows from the row's sum of exponentials, each of which is rounded"
RESIDUE = "near its zero two terms cancel; what is left is within 1 ulp of them"
# Why a limit is missed, by the function's name.
REASONS = {
    "binary_cross_entropy_with_logits.grad": "near the minimum of the loss sigmoid(z) and the target cancel; "
    "what is left is within 2 ulp of them",
    "poisson_nll_loss": RESIDUE,
    "poisson_nll_loss.grad": RESIDUE,
    "gamma_loss": RESIDUE,
    "gamma_loss.grad": RESIDUE,
    "tweedie_loss.grad": RESIDUE,
    "kl_div": "close to p = q the logarithm of the target and the input cancel",
    "jensen_shannon_divergence": "close to p = q the logarithm of the target and the input cancel",
    "jensen_shannon_divergence.grad": "close to p = q the logarithm of the target and the input cancel",
    "jensen_shannon_divergence.hess": "near its zero two terms cancel; what is left is within 2 ulp of them",
    "sigmoid_focal_loss.grad": RESIDUE,
    "sigmoid_focal_loss.hess": RESIDUE,
    "gaussian_nll_loss": RESIDUE,
    "gaussian_nll_loss.grad_b": RESIDUE,
    "gaussian_nll_loss.hess_b": "made of rounded quotients; near its zero, where two terms cancel, what is left "
    "is within 1 ulp of them",
    "msle_loss.hess": "near its zero, where the logarithms are 1 apart, two terms cancel",
    "softmax": "a quotient of two rounded numbers",
    "softmin": "a quotient of two rounded numbers",
    "log_softmax": "a difference of two rounded numbers",
    "cross_entropy": "a difference of two rounded numbers",
    "cross_entropy.grad": "a product of two rounded numbers",
    "softmax_focal_loss": f"{EXPONENTIALS}, and counts three times where the label is nearly certain",
    "softmax_focal_loss.grad": f"{EXPONENTIALS}, and counts twice, and is multiplied with a rounded probability",
    "poly_loss_cross_entropy": f"{EXPONENTIALS}: where the label is nearly certain it is three times that sum, whose "
    "summands of less than half the least number are 0 before",
    "poly_loss_cross_entropy.grad": "a rounded probability times up to 3; of less than half the least number it is 0 "
    "before",
    "generalized_cross_entropy": EXPONENTIALS,
    "generalized_cross_entropy.grad": "a product of rounded numbers",
}


ZEROS = {"gelu": GELU_ZERO[0], "mish": MISH_ZERO[0], "quick_gelu": QUICK_GELU_ZERO[0], "silu": SILU_ZERO[0]}
FACTORS = {"geglu.grad_a": "gelu", "swiglu.grad_a": "silu"}  # what one of its factors is the derivative of


def reason(name: str) -> str:
    """Why a limit is missed by the function of that name."""
    operation, _, form = name.partition(".")
    if name in FACTORS:
        return f"near the zero of `{FACTORS[name]}.derivative` at {ZEROS[FACTORS[name]]:.4f}, where two terms cancel"
    if form == "derivative" and operation in ZEROS:
        allowed = limit(operation, form, "float32")
        where = f"near its zero at {ZEROS[operation]:.4f}, where two terms cancel"
        return f"{where}; float32 is within {allowed} ulp from a distance of {reach(operation):.2g} on"
    return REASONS[name]


@functools.cache
def reach(operation: str, around: float = 0.25) -> float:
    """How far from the zero of an activation's derivative the last float32 number lies where it misses its limit."""
    function, zero = functions()[f"{operation}.derivative"], ZEROS[operation]
    ends = sorted(int(np.float32(zero + side).view(np.uint32)) for side in (-around, around))
    x = np.arange(*ends, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        exact, got = function.exact(x.astype(np.float64)), np.asarray(function.call(x)).astype(np.float64)
    off = np.abs(got - exact) > limit(operation, "derivative", "float32") * np.spacing(np.abs(exact).astype(np.float32))
    return float(np.abs(x[off] - zero).max())


def page(document: dict[str, Any]) -> str:
    """The whole text."""
    rows, config = list(complete(document["rows"])), document["config"]
    packages = config["packages"]
    versions = {key: packages[key] for key in ("numpy", "numba", "torch", "scipy")}
    hours = f"{document['seconds'] / 60:.0f} minutes"
    text = HEAD.format(hours=hours, cpu=config["machine"]["cpu"], python=config["python"], **versions)
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        text += f"## {dtype}\n\n" + "\n".join(table(dtype, [row for row in rows if row["dtype"] == dtype])) + "\n\n"
    missed = "\n".join(beyond(rows)) or "- none."
    measured = {row["operation"] for row in rows}
    waiting = dict.fromkeys(f.operation for f in functions().values() if f.operation not in measured)
    names = textwrap.fill(", ".join(f"`{name}`" for name in waiting), 120)
    text += LIMITS.format(limits=WORDS, missed=missed) + (WAITING.format(names=names) if names else "")
    return text + SUMS + SPECIALS + "\n".join(specials()) + "\n"


def complete(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of operations of which everything is measured."""
    done = {(row["operation"], row["form"], row["dtype"]) for row in rows if row["done"] == row["chunks"]}
    wanted = {(f.operation, f.form, dtype) for f in functions().values() for dtype in DTYPES}
    begun = {operation for operation, *_ in wanted - done}
    return (row for row in rows if row["operation"] not in begun)


def table(dtype: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """A dtype's results."""
    others = [name for name in PEERS if any(name in row["results"] for row in rows)]
    yield "| " + " | ".join(["function", "points", "ulp", "> 0.5", "lost", "worst at", *others]) + " |"
    yield "|---|" + "---:|" * 4 + "---|" + "---:|" * len(others)
    for cells in lines(rows, others, dtype):
        yield f"| `{cells[0]}` | " + " | ".join(cells[1:]) + " |"


def beyond(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What misses its limit, and why."""
    for row in rows:
        name = row["operation"] if row["form"] == "value" else f"{row['operation']}.{row['form']}"
        ours, allowed = row["results"]["fastloa"], limit(row["operation"], row["form"], row["dtype"])
        if float(ours["worst"]) > allowed:
            yield f"- `{name}` in {row['dtype']}: {ulp(ours['worst'])} ulp ({reason(name)})."
        if ours["lost"]:
            yield f"- `{name}` in {row['dtype']}: {ours['lost']:,} lost ({reason(name)})."


def specials() -> Iterator[str]:
    """Values and derivatives of the activations where something is special."""
    x = np.array(SPECIAL, np.float32)
    yield "| function | " + " | ".join(map(str, x)) + " |"
    yield "|---|" + "---:|" * len(x)
    for name in fl.__all__:
        public = getattr(fl, name)
        if isinstance(public, Activation):
            options = OPTIONS.get(name, {})
            for called, call in ((name, public), (f"{name}.derivative", public.derivative)):
                yield f"| `{called}` | " + " | ".join(map(str, call(x, **options))) + " |"


if __name__ == "__main__":
    TARGET.write_text(page(json.loads(SOURCE.read_text())))
    print(f"written: {TARGET.relative_to(ROOT)}")
