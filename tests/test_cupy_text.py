"""The text of the CUDA C++ kernels: what a formula becomes, and that the tests of the kernels can fail."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.emit import Emitter, literal
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.engines.cupy_native.maps import MapKernel
from fastloa_kernels.engines.cupy_native.source import Source
from fastloa_kernels.formulas import activations, compensated, elementary32, resolve
from fastloa_kernels.formulas.elementary import exp
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.records import Elementwise

from tests.harness import on_one_processor
from tests.shim import race
from tests.shim.compare import cpu, needs_compiler, same
from tests.shim.driver import ShimDriver, compiler

ROOT = Path(__file__).parents[1]
THIRD = 1.0 / 3.0


def emitted(formula, arity=1, dtype="float32"):
    """The text of the last function, which is the formula's own."""
    emitter = Emitter()
    emitter.function(formula, dtype, arity)
    return emitter.functions[-1]


@pytest.mark.parametrize("value", [0.1, -0.1, 1.5, 0.0, -0.0, 1e-310, 5e-324, 1e300, 3.4e38, 2.0**-149, np.pi])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_literal_is_rounded_once(value, dtype):
    with np.errstate(all="ignore"):
        expected = np.dtype(dtype).type(value)
    text = literal(value, dtype).strip("()")
    assert text.endswith("f") == (dtype == "float32") or np.isinf(expected)
    assert np.isinf(expected) or float.fromhex(text.removesuffix("f")) == expected
    assert text.startswith("-") == bool(np.signbit(expected))


def test_infinities_and_nan_are_written_without_a_header():
    assert literal(np.inf, "float64") == "fastloa::infinity<double>()"
    assert literal(-np.inf, "float32") == "(-fastloa::infinity<float>())"
    assert literal(np.nan, "float32") == "fastloa::not_a_number<float>()"


def test_constant_expressions_are_folded_in_float64_as_python_folds_them():
    def thirds(x):
        return 1.0 / 3.0 * x + THIRD * 3.0 + 2.0**-2 - -1.0

    assert emitted(thirds).splitlines()[1] == (
        "  return ((((0x1.555556p-2f * x_) + (0x1.555556p-2f * 0x1.8p+1f)) + 0x1p-2f) - (-0x1p+0f));"
    )


def test_every_part_of_a_formula_has_its_counterpart():
    def parts(x, y):
        """This says nothing to the compiler."""
        high, _ = (x, y) if 0.0 < x <= 1.0 and not y < 1.0 else (y, x)
        x = -abs(high)
        return x, y

    assert emitted(parts, 2, "float64") == (
        "static __device__ __forceinline__ auto f64_parts(double x_, double y_) {\n"
        "  const auto values_1 = fastloa::either((((0x0p+0 < x_) && (x_ <= 0x1p+0)) && (!(y_ < 0x1p+0))), "
        "fastloa::Values<double, 2>{x_, y_}, fastloa::Values<double, 2>{y_, x_});\n"
        "  auto high_ = values_1.at[0];\n"
        "  x_ = (-fastloa::primitives::absolute(high_));\n"
        "  return fastloa::Values<double, 2>{x_, y_};\n"
        "}"
    )


def test_forms_spell_their_star_arguments_and_call_what_they_enclose():
    form = forms.form(MSE_LOSS, "weighted_grad")
    assert emitted(form.formula, 4).splitlines()[1] == "  return (w_ * f32_mse_loss_share(divisor_, a0_, a1_));"


def test_formulas_of_equal_name_are_told_apart_and_written_once():
    first, second = (Elementwise(activations.relu, slope) for slope in (activations.relu, activations.elu_derivative))
    emitter = Emitter()
    names = [emitter.function(forms.form(r, "backward").formula, "float32", n) for r, n in ((first, 2), (second, 3))]
    assert names == ["f32_backward", "f32_backward__2"]
    assert emitter.function(activations.relu, "float32", 1) == "f32_relu"
    assert emitter.text.count("auto f32_relu(") == 1


def test_an_elementary_function_is_the_version_of_the_dtype():
    narrow, wide = Emitter(), Emitter()
    narrow.function(exp, "float32", 1), wide.function(exp, "float64", 1)
    assert literal(elementary32.LOG2_E, "float32") in narrow.text
    assert literal(elementary32.LOG2_E, "float32") not in wide.text


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", resolve.PRIMITIVES)
def test_primitives_are_their_definitions(name, dtype):
    definition = resolve.PRIMITIVES[name]
    count = definition.__code__.co_argcount
    scalar = np.dtype(dtype).type
    normal = [scalar(x) for x in (1.0, -1.5, 3.0, 0.1, 1e-20, -7e30, 126.0, -126.0, 2.5, 3.5, -0.5)]
    if name == "power_of_two":
        normal = [scalar(k) for k in (-126.0, -1.0, 0.0, 5.0, 127.0)]
    arrays = [np.array(np.roll(normal, 3 * i)) for i in range(count)]
    if name == "shortened":
        arrays[1] = np.arange(1, 12).astype(dtype)
    if name == "further":
        arrays[1] = np.array([0, 1, -1, 7, -300, 2**15, -(2**15), 12345, 2, -2, 3], dtype)
    expected = np.array([definition(*operands) for operands in zip(*arrays, strict=True)])
    got = np.empty_like(expected)
    MapKernel(ShimDriver(), name, forms.Form(calling(definition, count), count, 1), 0, dtype)(
        tuple(arrays), (got,), (), ()
    )
    same(got, expected)


def calling(primitive, count):
    """A formula that calls the primitive: an engine is never given one itself."""

    def one(x):
        return primitive(x)

    def two(x, y):
        return primitive(x, y)

    def three(x, y, z):
        return primitive(x, y, z)

    return (one, two, three)[count - 1]


WRONG = """#include "sum.cuh"
struct Arguments { long long count; };
extern "C" __global__ void diverges(const Arguments a) { if (threadIdx.x < a.count) __syncthreads(); }
"""


@needs_compiler
def test_a_barrier_that_not_all_reach_and_a_wrong_struct_are_found():
    (launch,) = ShimDriver().load(Source(WRONG, ("diverges",)))
    launch(1, 64, (64).to_bytes(8, "little"))
    with pytest.raises(RuntimeError, match="diverges: a barrier is not reached by all threads"):
        launch(1, 64, (63).to_bytes(8, "little"))
    with pytest.raises(RuntimeError, match="diverges: the arguments are not laid out as the kernel's struct"):
        launch(1, 64, bytes(16))


@needs_compiler
def test_a_product_rounded_before_its_sum_is_found(monkeypatch):
    x = np.linspace(-5, 5, 1000, dtype="float32")
    expected, got = np.empty_like(x), np.empty_like(x)
    cpu().load(activations.SIGMOID, "value", "float32")((x,), (expected,), (), ())
    texts = source.headers() | {
        "primitives.cuh": source.headers()["primitives.cuh"].replace("__fmaf_rn(x, y, z)", "x * y + z")
    }
    monkeypatch.setattr(source, "headers", lambda: texts)
    Engine(ShimDriver()).load(activations.SIGMOID, "value", "float32")((x,), (got,), (), ())
    with pytest.raises(AssertionError):
        same(got, expected)


def sanitized(*arguments):
    """What ThreadSanitizer says of the kernels: the exit status of a process of its own, and its output."""
    found = subprocess.run([compiler(), "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True)
    library = Path(found.stdout.strip())
    if not library.is_absolute():
        pytest.skip("libtsan is not installed")
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    options = {"PYTHONPATH": path, "LD_PRELOAD": str(library), "TSAN_OPTIONS": "exitcode=66:halt_on_error=1"}
    command = [sys.executable, "-m", race.__name__, *arguments]
    with on_one_processor():
        done = subprocess.run(command, env=os.environ | options, cwd=ROOT, capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run in this address space")
    return done.returncode, done.stderr


@needs_compiler
def test_skeletons_with_barriers_have_no_races():
    assert sanitized() == (0, "")


@needs_compiler
@pytest.mark.parametrize(
    ("skeleton", "header", "number"),
    [
        ("rows", "teams.cuh", "2"), ("rows", "rows.cuh", "0"),  # where a block's threads, and its warps, put their sums
        ("rows", "teams.cuh", "7"), ("rows", "rows.cuh", "1"),  # where they put keys; before others find other sums there
        ("rows", "teams.cuh", "1"), ("vectors", "teams.cuh", "1"),  # and where one of them puts what is made once
        ("vectors", "teams.cuh", "2"), ("projections", "teams.cuh", "2"), ("pairs", "teams.cuh", "2"),
        ("alignments", "alignments.cuh", "3"),  # the way back
    ],
)  # fmt: skip
def test_a_missing_barrier_is_a_race(skeleton, header, number):
    status, said = sanitized(skeleton, header, number)
    assert status == 66
    assert "data race" in said


def test_the_error_free_sum_is_written_in_order():
    # What a compiler that reorders would break: the text keeps every parenthesis.
    assert "((a_ - high_) + b_)" in emitted(compensated.fast_two_sum, 2)
