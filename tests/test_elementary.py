"""Elementary functions and the formulas over them: accuracy, limits, the code they compile to, and their grammar."""

import ast
import inspect
import math
import re
from functools import cache
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
import pytest
import scipy.special
from fastloa_kernels import formulas, primitives, records
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.formulas import activations, elementary, elementary32, elementary64, losses, resolve
from fastloa_kernels.primitives import power_of_two, round_even
from mpmath import mp, mpf

from benchmarks import coefficients
from tests import references as ref
from tests.harness import PRECISION, exact, ulps

INF, NAN = math.inf, math.nan
DTYPES = ("float32", "float64")
FUNCTIONS = ("erf", "erfc", "exp", "expm1", "log", "log1p", "sigmoid", "tanh")
LOGITS = {
    "value": losses.binary_cross_entropy_with_logits,
    "derivative": losses.binary_cross_entropy_with_logits_derivative,
    "second": losses.binary_cross_entropy_with_logits_second,
}


@cache
def compiled(formula, dtype, arrays=1, parameters=()):
    """The formula over arrays, as the CPU engine compiles it, and the function that numba made."""
    scalar, constants = bind(formula, dtype), tuple(map(np.dtype(dtype).type, parameters))

    def one(x, out):
        for i in range(x.size):
            out[i] = scalar(x[i], *constants)

    def two(x, t, out):
        for i in range(x.size):
            out[i] = scalar(x[i], t[i], *constants)

    kernel = numba.njit((one, two)[arrays - 1], error_model="numpy")

    def call(*operands):
        operands = [np.asarray(x, dtype) for x in operands]
        out = np.empty_like(operands[0])
        kernel(*operands, out)
        return out

    return call, kernel


def function(name, dtype):
    return compiled(getattr(elementary, name), dtype)[0]


# accuracy


def everywhere(dtype, count, seed=0):
    """Numbers of every sign and size, subnormal ones and the largest among them: evenly spaced in their bits."""
    word = np.dtype(dtype.replace("float", "uint"))
    largest = int(np.asarray(np.finfo(dtype).max).view(word))
    bits = np.random.default_rng(seed).integers(0, largest, count, dtype=word, endpoint=True)
    x = bits.view(dtype)
    return np.concatenate([x[::2], -x[1::2]])


def interesting(name, dtype, count):
    """Where the function has its digits."""
    low = {"float32": -104.0, "float64": -746.0}[dtype]
    near = {
        "erf": [(-6.0, 6.0), (-1.0, 1.0), (0.4, 0.6), (-1e-3, 1e-3)],
        "erfc": [(-6.0, 27.3), (-1.0, 1.0), (0.0, 10.1), (8.0, 10.1)],
        "exp": [(low, -low), (-1.0, 1.0), (low, low * 0.8)],
        "expm1": [(-40.0, 40.0), (-1.5, 1.5), (0.3, 0.5), (0.0, -low)],
        "log": [(0.5, 2.0), (0.7, 0.8), (1.3, 1.6), (0.0, 1e3)],
        "log1p": [(-1.0, 3.0), (-0.3, 0.6), (0.4, 0.5), (0.0, 1e3)],
        "sigmoid": [(low, 40.0), (-3.0, 3.0), (low, low * 0.8)],
        "tanh": [(-20.0, 20.0), (-1.0, 1.0), (-0.3, 0.3)],
    }[name]
    rng = np.random.default_rng(1)
    return np.concatenate([rng.uniform(a, b, count) for a, b in near]).astype(dtype)


def hard(dtype):
    """The ends of the range, and both sides of every place where a function over- or underflows or changes its form."""
    info = np.finfo(dtype)
    powers = info.maxexp * math.log(2.0) - np.array([0.0, 1.0, 2.0, 2.0 * info.maxexp + info.nmant - 2.0]) * math.log(
        2.0
    )
    ln2 = np.array([0.5, 1.0, 1.5, 24.0, 25.0, 53.0, 54.0]) * math.log(2.0)
    seeds = [*powers, *ln2, 1.0, 0.5, 0.75, 1.5, 2.0, 18.2, 38.2, 174.0, 1416.0, 2.0**-24, 2.0**-53]
    seeds += [9.2, 10.05, 13.1, 13.2, 14.4, 18.6, 26.6, 27.2, 37.5, 37.6, 38.5, 53.2]
    seeds += [float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    x = np.array(seeds, dtype)
    with np.errstate(all="ignore"):
        x = np.concatenate([x, np.nextafter(x, np.dtype(dtype).type(INF)), np.nextafter(x, np.dtype(dtype).type(0.0))])
    return np.concatenate([x, -x])[np.isfinite([*x, *x])]


REFERENCE = {
    "erf": mp.erf,
    "erfc": ref.erfc,
    "exp": ref.exp,
    "expm1": lambda x: ref.exp(x) - 1,
    "log": mp.log,
    "log1p": lambda x: mp.log(1 + x),
    "sigmoid": ref.sigmoid,
    "tanh": ref.tanh,
}
# What was measured, rounded up; float32 over 12 million inputs, float64 over 10,000.
ALLOWED = {
    "float32": dict(zip(FUNCTIONS, (0.70, 0.82, 0.86, 0.80, 0.67, 0.68, 0.98, 0.75), strict=True)),
    "float64": dict(zip(FUNCTIONS, (0.72, 0.83, 0.78, 0.93, 0.85, 0.86, 0.80, 0.75), strict=True)),
}


def errors(name, x, got):
    with mp.workprec(PRECISION[x.dtype.name]):
        return ulps(got, exact([REFERENCE[name](mpf(float(value))) for value in x], x.dtype))


# SciPy's own tables, made by Boost: the points, and each function's column.
TABLES = {
    "log1p": ("log1p_expm1_data_ipp-log1p_expm1_data", 1),
    "expm1": ("log1p_expm1_data_ipp-log1p_expm1_data", 2),
    "erf": ("erf_data_ipp-erf_data", 1),
    "erfc": ("erf_data_ipp-erf_data", 2),
}


@pytest.mark.parametrize("name", TABLES)
def test_no_worse_than_scipy_where_it_has_a_table(name):
    path = Path(scipy.special.__file__).parent / "tests" / "data" / "boost.npz"
    if not path.exists():
        pytest.skip("this SciPy came without its tables")
    table, column = TABLES[name]
    with np.load(path) as tables:
        x, exact_one = tables[table][:, 0], tables[table][:, column]
    unit = np.spacing(np.abs(exact_one))
    ours = np.abs(function(name, "float64")(x) - exact_one) / unit
    theirs = np.abs(getattr(scipy.special, name)(x) - exact_one) / unit
    assert ours.max() <= max(theirs.max(), 1.0)
    assert ours.max() <= 1.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_against_mpmath(name, dtype):
    x = np.concatenate([everywhere(dtype, 500), interesting(name, dtype, 300), hard(dtype)])
    x = x[x > {"log": 0.0, "log1p": -1.0}.get(name, -INF)]
    error = errors(name, x, function(name, dtype)(x))
    worst = int(np.argmax(error))
    assert error[worst] <= ALLOWED[dtype][name], f"{error[worst]:.3f} ulp at {x[worst]!r}"


def in_float64(name):
    """The function in NumPy or SciPy."""
    return getattr(np, name, None) or getattr(scipy.special, {"sigmoid": "expit"}.get(name, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_float32_over_all_bits(name):
    """Every 4,099th of the 2**32 numbers, and a million where it matters, against NumPy's and SciPy's float64."""
    x = np.concatenate(
        [np.arange(0, 2**32, 4099, dtype=np.uint32).view(np.float32), interesting(name, "float32", 250_000)]
    )
    got = function(name, "float32")(x)
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        right = in_float64(name)(wide)
        unit = np.ldexp(1.0, np.maximum(np.frexp(right)[1] - 24, -149))
        error = np.abs(got - right) / unit
        same = got == right.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(right))
    error = np.where(same | np.isnan(right), np.minimum(np.nan_to_num(error), 0.5), error)
    worst = int(np.argmax(error))
    assert error[worst] <= ALLOWED["float32"][name], f"{error[worst]:.3f} ulp at {x[worst]!r}"


def rough_exp(x):
    k = round_even(x * 1.4426950408889634)
    r = x - k * 0.6931471805599453
    return (1.0 + r * (1.0 + r * (0.5 + r * 0.16666667))) * power_of_two(k)


def test_a_rough_exp_is_found_out():
    x = interesting("exp", "float32", 100) / np.float32(2)
    assert errors("exp", x, compiled(rough_exp, "float32")[0](x)).max() > 100.0


LIMITS = {  # at NaN, inf, -inf, 0, -0
    "erf": (NAN, 1.0, -1.0, 0.0, -0.0),
    "erfc": (NAN, 0.0, 2.0, 1.0, 1.0),
    "exp": (NAN, INF, 0.0, 1.0, 1.0),
    "expm1": (NAN, INF, -1.0, 0.0, -0.0),
    "log": (NAN, INF, NAN, -INF, -INF),
    "log1p": (NAN, INF, NAN, 0.0, -0.0),
    "sigmoid": (NAN, 1.0, 0.0, 0.5, 0.5),
    "tanh": (NAN, 1.0, -1.0, 0.0, -0.0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits(name, dtype):
    got = function(name, dtype)([NAN, INF, -INF, 0.0, -0.0])
    np.testing.assert_array_equal(got, LIMITS[name])
    np.testing.assert_array_equal(np.signbit(got)[1:], np.signbit(LIMITS[name])[1:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_poles_and_outside_the_domain(dtype):
    np.testing.assert_array_equal(function("log", dtype)([-1.0, -1e-30, 1.0]), [NAN, NAN, 0.0])
    np.testing.assert_array_equal(function("log1p", dtype)([-1.0, -1.5, -1e30]), [-INF, NAN, NAN])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_odd_functions_return_tiny_arguments_as_they_are(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal * np.array([1, -1, 2, -3, 1000], dtype)
    np.testing.assert_array_equal(function(name, dtype)(tiny), tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_monotonic_where_the_power_of_two_changes(name, dtype):
    for k in (-3.0, -1.0, 1.0, 5.0):
        x = np.full(400, (k - 0.5) * math.log(2.0), dtype)
        x = (x.view(np.dtype(dtype.replace("float", "int"))) + np.arange(-200, 200)).astype(
            dtype.replace("float", "int")
        )
        x = np.sort(x.view(dtype))
        assert np.all(np.diff(function(name, dtype)(x)) >= 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_erf_is_monotonic_where_its_form_changes(dtype):
    word = np.dtype(dtype.replace("float", "int"))
    x = (np.array(0.5, dtype).view(word) + np.arange(-20_000, 20_000, dtype=word)).view(dtype)
    assert np.all(np.diff(function("erf", dtype)(x)) >= 0.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_python_gives_the_same_bits(name):
    x = np.concatenate([interesting(name, "float64", 8), everywhere("float64", 12), [1e-310, 2.5, 0.1]])
    x = np.abs(x) if name in {"log", "log1p"} else x
    plain = [getattr(elementary64, name)(float(value)) for value in x]
    np.testing.assert_array_equal(function(name, "float64")(x), plain)


# building blocks


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_pair_has_more_digits_than_one_number(request, dtype):
    if dtype == "float32":
        request.applymarker(pytest.mark.xfail(reason="falls short by a bit: docs/design.md says so", strict=True))
    kernel = {name: compiled(block, dtype)[0] for name, block in BLOCKS.items()}
    x = interesting("exp", dtype, 100)
    x = x[x < math.log(2.0) * np.finfo(dtype).maxexp]
    digits = np.finfo(dtype).nmant + 3
    with mp.workprec(PRECISION[dtype]):
        for value, high, low, factor in zip(x, *(kernel[part](x) for part in ("high", "low", "factor")), strict=True):
            exp = mp.exp(mpf(float(value)))
            pair = (mpf(float(high)) + mpf(float(low))) * mpf(float(factor))
            assert abs(pair - exp) <= exp * mpf(2) ** -digits, value


def exp_pair_high(x):
    high, _, _ = elementary_exp_pair(x)
    return high


def exp_pair_low(x):
    _, low, _ = elementary_exp_pair(x)
    return low


def exp_pair_factor(x):
    _, _, factor = elementary_exp_pair(x)
    return factor


elementary_exp_pair = elementary.exp_pair
BLOCKS = {"high": exp_pair_high, "low": exp_pair_low, "factor": exp_pair_factor}


# the formulas of the losses, on a grid of everything that is hard


def grid(dtype):
    """Logits of every size and both signs, against targets between and at the ends."""
    info = np.finfo(dtype)
    powers = 10.0 ** np.arange(int(math.log10(float(info.tiny))), int(math.log10(float(info.max))), 3)
    z = np.concatenate([[0.0, info.smallest_subnormal * 3, info.max, INF], powers, np.linspace(0.1, 110.0, 40)])
    z, t = np.meshgrid(np.concatenate([z, -z]).astype(dtype), np.array([0.0, 1.0, 0.3, 0.75], dtype))
    return z.ravel(), t.ravel()


@pytest.mark.parametrize("pos_weight", [1.0, 2.5, 1e6])
@pytest.mark.parametrize("form", list(LOGITS))
@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_on_a_grid(form, dtype, pos_weight):
    z, t = grid(dtype)
    got = compiled(LOGITS[form], dtype, 2, (pos_weight,))[0](z, t)
    name = "binary_cross_entropy_with_logits" + ("" if form == "value" else f"_{form}")
    weight = mpf(float(np.dtype(dtype).type(pos_weight)))
    with mp.workprec(PRECISION[dtype]):
        right = [getattr(ref, name)(mpf(float(a)), mpf(float(b)), weight) for a, b in zip(z, t, strict=True)]
        error = ulps(got, exact(right, dtype))
    worst = int(np.argmax(error))
    assert error[worst] <= 2.0, f"{error[worst]:.3f} ulp at {z[worst]!r}, {t[worst]!r}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_keep_digits_where_the_terms_of_the_gradient_nearly_cancel(dtype):
    rng = np.random.default_rng(3)
    z = rng.uniform(-4.0, 4.0, 400).astype(dtype)
    t = (1.0 / (1.0 + np.exp(-z.astype(np.float64))) + rng.uniform(-1.0, 1.0, 400) * 2.0**-5).astype(dtype)
    t = np.clip(t, 0, 1)
    got = compiled(LOGITS["derivative"], dtype, 2, (1.0,))[0](z, t)
    with mp.workprec(PRECISION[dtype]):
        pairs = [(mpf(float(a)), mpf(float(b))) for a, b in zip(z, t, strict=True)]
        right = [ref.sigmoid(a) - b for a, b in pairs]
        terms = [(1 - b) * ref.sigmoid(a) / 16 for a, b in pairs]
        scales = [max(abs(r), s) for r, s in zip(right, terms, strict=True)]
        error = ulps(got, exact(right, dtype, scales=scales))
    assert error.max() <= 2.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_corners_of_binary_cross_entropy(dtype):
    p, t = [0.0, 1.0, 0.0, 1.0, -0.0], [0.0, 1.0, 1.0, 0.0, 1.0]
    expected = {
        losses.binary_cross_entropy: [0.0, 0.0, INF, INF, INF],
        losses.binary_cross_entropy_derivative: [1.0, -1.0, -INF, INF, -INF],
        losses.binary_cross_entropy_second: [1.0, 1.0, INF, INF, INF],
    }
    for formula, values in expected.items():
        np.testing.assert_array_equal(compiled(formula, dtype, 2)[0](p, t), values)


PAIRWISE = [value for value in vars(losses).values() if isinstance(value, records.PairwiseLoss) and value.operands == 2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("record", PAIRWISE, ids=lambda record: record.name)
@pytest.mark.parametrize("form", ["value", "derivative", "second"])
def test_nan_in_either_operand_reaches_everything(record, form, dtype):
    p, t = (np.array(side) for side in zip(*((NAN, t) for t in (0.0, 1.0, 0.3, INF)), strict=True))
    for parameters in ((0.0,), (1.0,)) if record.parameters else ((),):
        kernel = compiled(getattr(record, form), dtype, 2, parameters)[0]
        assert np.isnan(kernel(p, t)).all()
        assert np.isnan(kernel(t, p)).all()


# the activations where weights meet what is nearly lost


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weight_lifts_a_tiny_exp_without_losing_digits(dtype):
    """exp(x) itself would be subnormal."""
    x = np.linspace(1.0, 1.02, 20) * math.log(2.0) * np.finfo(dtype).minexp
    alpha = 1e6
    got = compiled(activations.elu_derivative, dtype, 1, (alpha,))[0](x)
    with mp.workprec(PRECISION[dtype]):
        right = [alpha * mp.exp(mpf(float(value))) for value in x.astype(dtype)]
        assert ulps(got, exact(right, dtype)).max() <= 2.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("formula", "parameter", "limit"),
    [(activations.elu, 0.0, 0.0), (activations.leaky_relu, 0.0, 0.0), (activations.elu_derivative, 1e30, 0.0)],
)
def test_limits_at_minus_infinity(formula, parameter, limit, dtype):
    np.testing.assert_array_equal(compiled(formula, dtype, 1, (parameter,))[0]([-INF]), [limit])


# what it compiles to


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_body_and_tail_give_the_same_bits(name, dtype):
    x = np.concatenate([interesting(name, dtype, 10), everywhere(dtype, 20)])
    call = function(name, dtype)
    alone = np.concatenate([call(x[i : i + 1]) for i in range(40)])
    for length in range(1, 41):
        np.testing.assert_array_equal(call(x[:length]), alone[:length])
        np.testing.assert_array_equal(call(x[40 - length : 40]), alone[40 - length :])


LIBM = re.compile(r"\$\.?(erf|erfc|exp|expm1|exp2|log|log1p|log2|tanh|fma|rint|ldexp|nearbyint|pow)[fl]?\b")


def arithmetic(kernel):
    """How many arithmetic instructions work on whole vectors, and the calls to libm."""
    assembly = "\n".join(kernel.inspect_asm().values())
    wide = re.findall(r"^\s+v(?:fn?m\w+|add|sub|mul|div|sqrt)p[sd]\s.*[yz]mm", assembly, re.M)
    return len(wide), LIBM.findall(assembly)


def scalar_operations(kernel):
    assembly = "\n".join(kernel.inspect_asm().values())
    return len(re.findall(r"^\s+v(?:fn?m\w+|add|sub|mul|div|sqrt)s[sd]\s", assembly, re.M))


def needs_avx2():
    features = llvmlite.binding.get_host_cpu_features()
    if not (features.get("avx2") and features.get("fma")):
        pytest.skip("this processor has no AVX2 with FMA")


ELEMENTWISE = [
    *((getattr(elementary, name), 1, ()) for name in FUNCTIONS),
    (activations.relu, 1, ()),
    (activations.leaky_relu, 1, (0.01,)),
    (activations.elu, 1, (1.0,)),
    (activations.elu_derivative, 1, (1.0,)),
    (activations.sigmoid_derivative, 1, ()),
    (activations.tanh_derivative, 1, ()),
    (losses.binary_cross_entropy, 2, ()),
    (losses.binary_cross_entropy_derivative, 2, ()),
    (losses.binary_cross_entropy_second, 2, ()),
    *((formula, 2, (1.0,)) for formula in LOGITS.values()),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("formula", "arrays", "parameters"), ELEMENTWISE, ids=lambda value: getattr(value, "__name__", "")
)
def test_compiles_to_vector_instructions_without_libm(formula, arrays, parameters, dtype):
    needs_avx2()
    call, kernel = compiled(formula, dtype, arrays, parameters)
    call(*[np.ones(8)] * arrays)
    wide, calls = arithmetic(kernel)
    assert not calls
    if formula is not activations.relu:  # which is a comparison and a mask
        assert wide > 0
        # The loop of whole vectors does all that the loop of the rest does, once or unrolled.
        assert wide >= scalar_operations(kernel) / 4


def test_libm_is_found_out():
    needs_avx2()

    def loop(x, out):
        for i in range(x.size):
            out[i] = math.exp(x[i])

    kernel = numba.njit(loop, error_model="numpy")
    kernel(np.ones(8), np.ones(8))
    wide, calls = arithmetic(kernel)
    assert calls
    assert wide == 0


# where the constants come from


@pytest.mark.parametrize("fit", coefficients.FITS, ids=lambda fit: f"{fit.name}-{fit.dtype.__name__}")
def test_polynomials_are_those_of_the_script(fit):
    module = elementary32 if fit.dtype is np.float32 else elementary64
    source = inspect.getsource(getattr(module, f"{fit.name}_reduced"))
    literals = {
        fit.dtype(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    }
    literals |= {fit.dtype(value) for name, value in vars(module).items() if type(value) is float and name in source}
    literals |= {-value for value in literals}
    fitted, error = coefficients.rounded(fit)
    assert set(map(fit.dtype, fitted)) <= literals
    # Rounding the first coefficient of erf, which is a tenth of the result, takes more than all the others.
    assert error < -np.finfo(fit.dtype).nmant - (4.0 if fit.name == "erf" else 5.0)


# the grammar of formulas

ALLOWED_NODES = (
    ast.arguments, ast.arg, ast.Return, ast.Assign, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.Constant, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UnaryOp, ast.USub, ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq,
    ast.NotEq, ast.IfExp, ast.Call,
)  # fmt: skip


def faults(node, namespace):
    """What in a function breaks the grammar that ``fastloa_kernels.formulas`` states; nothing, for a formula."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    local = {argument.arg for argument in node.args.args}
    local |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    found = []
    if node.end_lineno - node.lineno >= 25:
        found.append("is longer than 25 lines")
    if node.decorator_list or node.args.defaults or node.args.kwonlyargs or node.args.kwarg or node.args.vararg:
        found.append("takes more than positional arguments")
    if not body or not isinstance(body[-1], ast.Return) or any(isinstance(line, ast.Return) for line in body[:-1]):
        found.append("returns elsewhere than in its last line")
    for part in (part for line in [node.args, *body] for part in ast.walk(line)):
        found += [reason for reason in [fault(part, local, namespace)] if reason]
    return found


def fault(part, local, namespace):
    if not isinstance(part, ALLOWED_NODES):
        return f"holds {type(part).__name__}"
    if isinstance(part, ast.Constant) and type(part.value) is not float:
        return f"holds {part.value!r}, which is no float literal"
    if isinstance(part, ast.Compare) and len(part.ops) > 1:
        return "chains comparisons"
    if isinstance(part, ast.Call):
        if not isinstance(part.func, ast.Name) or part.keywords:
            return f"calls {ast.unparse(part.func)} other than by bare name and position"
        return None if callable_by_name(part.func.id, namespace) else f"calls {part.func.id}, which is no formula"
    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id not in local:
        meaning = namespace.get(part.id)
        return None if type(meaning) is float or callable_by_name(part.id, namespace) else f"names {part.id}"
    return None


def callable_by_name(name, namespace):
    meaning = namespace.get(name)
    if meaning is None:
        return name in resolve.BUILTINS
    return meaning in resolve.PRIMITIVES.values() or (
        resolve.is_formula(meaning) and meaning.__module__.startswith(formulas.__name__)
    )


FILES = [
    path for path in sorted(Path(formulas.__file__).parent.glob("*.py")) if path.stem not in {"__init__", "resolve"}
]


def module_of(path):
    return __import__(f"{formulas.__name__}.{path.stem}", fromlist=["_"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_formulas_keep_to_their_grammar(path):
    tree, namespace = ast.parse(path.read_text()), vars(module_of(path))
    found = {node.name: faults(node, namespace) for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name: reasons for name, reasons in found.items() if reasons} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_modules_of_formulas_hold_nothing_else(path):
    for node in ast.parse(path.read_text()).body:
        assert isinstance(node, ast.FunctionDef | ast.ImportFrom | ast.Assign | ast.Expr), ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert node.module.startswith("fastloa_kernels")
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)


def test_both_versions_have_every_name_of_the_vocabulary():
    for name, meaning in elementary.VOCABULARY.items():
        assert meaning is getattr(elementary64, name)
        assert inspect.signature(getattr(elementary32, name)) == inspect.signature(meaning)


WRONG = {
    "return x**2.0": "holds Pow",
    "return 2 * x": "no float literal",
    "return max(x, 0.0)": "calls max",
    "return math.exp(x)": "other than by bare name",
    "return 0.0 if x < 0.0 and x > -1.0 else x": "holds BoolOp",
    "return 0.0 if -1.0 < x < 1.0 else x": "chains comparisons",
    "return isnan(x)": "calls isnan",
    "return fma(x, x, z=x)": "other than by bare name",
    "return not x": "holds Not",
    "return undefined": "names undefined",
    "return (lambda y: y)(x)": "holds Lambda",
    "return x if x else True": "no float literal",
    "if x < 0.0:\n        return 0.0\n    return x": "holds If",
    "for i in x:\n        x = i\n    return x": "holds For",
    "x += 1.0\n    return x": "holds AugAssign",
    "y: float = x\n    return y": "holds AnnAssign",
    "x = x + 1.0": "returns elsewhere",
    "\n    ".join(["x = x + 1.0"] * 25 + ["return x"]): "longer than 25 lines",
}


@pytest.mark.parametrize(("body", "reason"), list(WRONG.items()), ids=list(WRONG.values()))
def test_the_grammar_finds(body, reason):
    node = ast.parse(f"def f(x):\n    {body}\n").body[0]
    assert any(reason in found for found in faults(node, {"fma": primitives.fma, "math": math}))


def test_the_grammar_finds_defaults_and_decorators():
    for source in (
        "def f(x, y=1.0): return x",
        "def f(*x): return x",
        "def f(*, x): return x",
        "@g\ndef f(x): return x",
    ):
        assert any("more than positional" in found for found in faults(ast.parse(source).body[0], {}))
