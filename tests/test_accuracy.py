"""``fastloa accuracy``: its exact results against mpmath, its errors against numbers counted by hand, and its files."""

import importlib.util
import itertools
import json

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf
from typer.testing import CliRunner

from fastloa.cli import accuracy
from fastloa.cli.accuracy_table import functions
from fastloa.cli.accuracy_tally import Tally, tally
from fastloa.cli.app import app
from fastloa.cli.exact_activations import OPTIONS
from tests import cases
from tests import references as ref
from tests.harness import ROOT
from tests.subject import rounded

WIDER = {"float32": np.float64, "float64": np.longdouble}
LONG = pytest.param("float64", marks=pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no longdouble"))
ENDINGS = {"value": "", "derivative": "_derivative", "grad": "_derivative", "hess": "_second", "grad_a": "_grad_a",
           "grad_b": "_grad_b", "hess_a": "_hess_a", "hess_b": "_hess_b"}  # fmt: skip


# Terms that cancel, by the size of one of them. A square has twice the error of what is squared, of which NumPy's
# logarithm alone takes half of what is allowed.
TERMS = {"msle_loss": lambda z, t: 2 * (mp.log1p(z) - mp.log1p(t)) ** 2}


def powers(*exponents):
    return [sign * 10.0**k for k in exponents for sign in (1, -1)]


def crossed(*axes):
    return [np.array(numbers) for numbers in zip(*itertools.product(*axes), strict=True)]


# Operands where terms cancel, but for the rounding of the last to the dtype; and others, whose residue is far below that.
Z = np.linspace(0.03, 6.0, 45)
BOTH = np.concatenate([-Z, Z])
ROOTS = np.linspace(0.05, 0.99, 45)
TINY = powers(-7, -15, -16, -20, -30, -37)
CANCELLING = {
    "tukey_loss": [crossed([4.685, -4.685], TINY)],
    "poisson_nll_loss": [(Z, np.exp(Z) / Z), (BOTH, np.exp(BOTH)), crossed(TINY, [1.0])],
    "gamma_loss": [(-Z, Z * np.exp(-Z)), (BOTH, np.exp(BOTH)), crossed(TINY, [1.0]), (-np.abs(TINY), np.abs(TINY))],
    "tweedie_loss": [(BOTH, np.exp(BOTH)), crossed(TINY, [1.0])],
    "kl_div": [(-Z, np.exp(-Z))],
    "jensen_shannon_divergence": [(-Z, np.exp(-Z)), crossed(TINY, [1.0]), (-Z - 1.2785, np.exp(-Z))],
    "binary_cross_entropy_with_logits": [(BOTH, 1 / (1 + np.exp(-BOTH))), crossed(TINY, [0.5])],
    "sigmoid_focal_loss": [(BOTH, 1 / (1 + np.exp(-BOTH))), crossed(TINY, [0.5])],
    "gaussian_nll_loss": [
        (Z, -Z, 4 * Z**2), (Z, -Z, 8 * Z**2), (ROOTS * np.sqrt(-np.log(ROOTS**2)), 0 * Z, ROOTS**2),
        crossed([10.0, -1000.0, 1e8], TINY, [1e2, 1e6, 1e16]),
    ],
}  # fmt: skip
TAILS = ("_second", "_grad_b")  # what the references of losses and of gated activations have
ELEMENTWISE = [
    f for f in functions().values() if f.unary or any(hasattr(ref, f"{f.operation}{tail}") for tail in TAILS)
]


def run(*arguments):
    return CliRunner().invoke(app, ["accuracy", *arguments])


@pytest.mark.parametrize("dtype", ["float32", LONG])
@pytest.mark.parametrize("function", ELEMENTWISE, ids=lambda f: f.name)
def test_exact_results_are_those_of_mpmath(function, dtype):
    """To a thousandth of an ulp of the dtype, and to a tenth where all but a few digits cancel."""
    options = {**cases.BY_NAME[function.operation].defaults, **OPTIONS.get(function.operation, {})}
    reference = getattr(ref, function.operation + ENDINGS[function.form])
    operands = function.draw(np.random.default_rng(1), 300, np.dtype(dtype))
    keep = ~np.any([np.isnan(x) for x in operands], axis=0)
    all_operands, drawn = [[x[keep] for x in operands], *CANCELLING.get(function.operation, [])], np.count_nonzero(keep)
    operands = [np.concatenate(arrays).astype(dtype) for arrays in zip(*all_operands, strict=True)]
    wide = [x.astype(WIDER[dtype]) for x in operands]
    with np.errstate(all="ignore"):
        got = function.exact(*wide)
    eps, least = mpf(float(np.finfo(dtype).eps)), mpf(float(np.finfo(dtype).smallest_subnormal))
    most = wide_number(np.finfo(WIDER[dtype]).max)
    given = rounded(options, dtype)
    with mp.workprec(2600):
        for i, (*numbers, one) in enumerate(zip(*(x.tolist() for x in operands), got, strict=True)):
            exact = reference(*map(mpf, numbers), **given)
            exact *= mp.inf if abs(exact) > most else 1
            if mp.isnan(exact) or mp.isinf(exact):
                assert str(float(one)) == str(float(exact)), (numbers, one, exact)
                continue
            scale = max(abs(exact), abs(TERMS.get(function.name, lambda *_: 0)(*map(mpf, numbers))))
            part = 1000 if i < drawn else 10
            assert abs(wide_number(one) - exact) <= scale * eps / part + least / 1000, (numbers, one, float(exact))


def wide_number(x):
    """Give a longdouble as it is, which float would round."""
    fraction, exponent = np.frexp(x)
    high = float(fraction)
    return mp.ldexp(mpf(high) + mpf(float(fraction - high)), int(exponent))


ONE = np.float32(1)
ABOVE = np.nextafter(ONE, np.float32(2))
LEAST = np.float32(2.0**-149)
COUNTED = [
    ([1.0], [1.0], {"worst": 0.5, "incorrect": 0}),
    ([ABOVE], [1.0], {"worst": 1.0, "incorrect": 1, "beyond_one": 0}),
    ([1.0], [1.0 + 1.75 * 2.0**-23], {"worst": 1.75, "incorrect": 1, "beyond_one": 1}),
    ([1.0], [1.0 - 3 * 2.0**-24], {"worst": 3.0, "beyond_one": 1}),
    ([0.0], [2.0**-149], {"worst": 1.0, "lost": 1, "lost_subnormal": 1}),
    ([0.0], [0.6 * 2.0**-149], {"worst": 0.6, "lost": 0}),
    ([0.0], [2.0**-126], {"worst": 2.0**23, "lost": 1, "lost_subnormal": 0}),
    ([3 * LEAST], [5 * 2.0**-149], {"worst": 2.0, "lost": 0}),
    ([np.inf], [3.5e38], {"worst": 0.5, "incorrect": 0}),
    # An infinity stands for 2**128, and numbers beyond the greatest lie as far apart as those below it.
    ([np.inf], [2.0**128 - 2.0**104], {"worst": 1.0, "incorrect": 1, "beyond_one": 0}),
    ([-np.inf], [-(2.0**128) + 3 * 2.0**103], {"worst": 1.5, "beyond_one": 1}),
    ([2.0**128 - 2.0**104], [2.0**128 - 2.0**103], {"worst": 0.5, "incorrect": 1}),
    ([2.0**128 - 2.0**104], [2.0**128 + 2.0**103], {"worst": 1.5, "beyond_one": 1}),
    ([2.0**128 - 2.0**104], [2.0**130], {"worst": 3 * 2.0**24 + 1}),
    ([1.0], [1e300], {"worst": 1e300 / 2.0**104}),
    ([np.inf], [1e300], {"worst": 0.5, "incorrect": 0}),
    ([-np.inf], [1e300], {"worst": 1e300 / 2.0**104, "beyond_one": 1}),
    ([np.inf], [1.0], {"worst": (2.0**128 - 1) * 2.0**23, "beyond_one": 1}),
    ([np.inf], [np.inf], {"worst": 0.5, "incorrect": 0}),
    ([-np.inf], [np.inf], {"worst": np.inf}),
    ([3.4e38], [np.inf], {"worst": np.inf}),
    ([np.nan], [np.inf], {"worst": np.inf}),
    ([np.nan], [1.0], {"worst": np.inf, "lost": 0}),
    ([0.0], [np.nan], {"worst": np.inf, "lost": 0}),
    ([np.nan], [np.nan], {"worst": 0.5}),
    ([-1.0], [1.0], {"worst": 2.0**24}),
]


@pytest.mark.parametrize(("got", "exact", "wanted"), COUNTED)
def test_errors_are_counted(got, exact, wanted):
    got, exact = np.array(got, np.float32), np.array(exact)
    # Among right ones, so that the index of the worst is seen.
    right = np.linspace(1, 2, 5, dtype=np.float32)
    counted = tally(np.append(right, got), np.append(right.astype(float), exact), (np.arange(6.0),))
    assert counted.points == 6
    for name, value in wanted.items():
        assert getattr(counted, name) == pytest.approx(value), name
    if counted.worst > 0.5:
        assert counted.at == [5.0]


def test_the_worst_of_rows_is_named_by_its_scores_and_never_by_a_label_alone():
    got, exact, labels = np.array([1.0, 3.0], np.float32), np.array([1.0, 2.0]), np.array([4, 5])
    assert tally(got, exact, (np.zeros((2, 10)), labels)).at is None
    assert tally(got, exact, (np.array([[7.0, 8.0]]), labels[:1])).at == [8.0]


@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_errors_of_16_bits(half):
    above = np.array([1.0, 2.0]).astype(half).view(np.uint16) + 1
    counted = tally(above.view(half), np.array([1.0, 2.0]), (np.array([7.0, 8.0]),))
    assert (counted.worst, counted.at, counted.incorrect) == (1.0, [7.0], 2)
    end = float(ml_dtypes.finfo(half).max)
    beyond = 2 * end - float(np.nextafter(np.array(end, half), half.type(0)))
    counted = tally(np.array([np.inf, np.inf, end]).astype(half), np.array([end, beyond, beyond]), (np.arange(3.0),))
    assert (counted.worst, counted.at, counted.incorrect) == (1.0, [0.0], 2)


def test_tallies_add_up_and_go_through_json():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    got = (x * (1 + 1e-7 * rng.normal(size=1000))).astype(np.float32)
    whole, parts = tally(got, x, (x,)), Tally()
    for i in range(0, 1000, 100):
        part = tally(got[i : i + 100], x[i : i + 100], (x[i : i + 100],))
        parts.add(Tally.from_dict(json.loads(json.dumps(part.as_dict(), allow_nan=False))))
    assert parts == whole
    assert whole.beyond_one > 100
    odd = Tally(1, np.inf, [-np.inf, np.nan], np.nan, 1.0)
    assert repr(Tally.from_dict(json.loads(json.dumps(odd.as_dict(), allow_nan=False)))) == repr(odd)


def test_a_function_of_one_number_is_walked_whole():
    walk = accuracy.choose(["tanh"], ["float16", "float32"], 1e6, exhaustive=True).walks()
    assert [(w.function.name, w.dtype.name, w.chunks, w.whole) for w in walk] == [
        ("tanh", "float16", 1, True), ("tanh", "float32", 4096, True),
        ("tanh.derivative", "float16", 1, True), ("tanh.derivative", "float32", 4096, True),
    ]  # fmt: skip
    bits = np.concatenate([walk[1].operands(i, 0)[0].view(np.uint32) for i in (0, 1, 4095)])
    first = np.arange(1 << 21, dtype=np.uint32)
    assert np.array_equal(bits, np.concatenate([first, (1 << 32) - (1 << 20) + first[: 1 << 20].astype(np.uint64)]))
    half = np.sort(walk[0].operands(0, 0)[0].view(np.uint16))
    assert np.array_equal(half, np.arange(1 << 16))


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy, "CHUNK", 500)
    command = ["--op", "sigmoid,mse_loss", "--dtype", "float32", "--points", "2000"]
    assert run(*command, "--json", str(tmp_path / "whole")).exit_code == 0
    counts, real = [], accuracy.Walk.count

    def interrupted(self, i, points, others):
        counts.append(i)
        if self.function.name == "sigmoid.derivative" and i == 2:
            raise KeyboardInterrupt
        return real(self, i, points, others)

    with monkeypatch.context() as patch:
        patch.setattr(accuracy.Walk, "count", interrupted)
        result = run(*command, "--json", str(tmp_path / "part"))
    assert "interrupted after" in result.output
    assert "goes on from" in result.output
    done = [row["done"] for row in json.loads((tmp_path / "part").read_text())["rows"]]
    assert 0 < sum(done) < 20
    made = []
    monkeypatch.setattr(accuracy.Walk, "count", lambda self, *rest: made.append(0) or real(self, *rest))
    assert run(*command, "--json", str(tmp_path / "part")).exit_code == 0
    assert len(made) == 20 - sum(done)
    rows = [json.loads((tmp_path / name).read_text())["rows"] for name in ("whole", "part")]
    assert rows[0] == rows[1]


def test_a_file_keeps_what_it_has(tmp_path, monkeypatch):
    command = ["--dtype", "float16", "--points", "1000", "--json", str(tmp_path / "file")]
    assert run("--op", "tanh", *command).exit_code == 0
    document = json.loads((tmp_path / "file").read_text())
    begun, whole = document["rows"]
    begun.update(kernels="other", done=0)
    whole.update(kernels="other")
    (tmp_path / "file").write_text(json.dumps(document))
    counted, real = [], accuracy.Walk.count
    monkeypatch.setattr(
        accuracy.Walk, "count", lambda self, *rest: counted.append(self.function.name) or real(self, *rest)
    )
    assert run("--op", "tanh,relu", *command).exit_code == 0
    assert sorted(counted) == ["relu", "relu.derivative", "tanh"]
    rows = json.loads((tmp_path / "file").read_text())["rows"]
    assert {(r["operation"], r["form"]): r["kernels"] == "other" for r in rows} == {
        ("relu", "value"): False, ("relu", "derivative"): False,
        ("tanh", "value"): False, ("tanh", "derivative"): True,
    }  # fmt: skip


def test_the_table_names_the_worst(tmp_path):
    result = run("--op", "tanh,softmax", "--dtype", "float16", "--points", "1000", "--json", str(tmp_path / "file"))
    assert result.exit_code == 0, result.output
    assert "all 65,536" in result.output
    rows = {(r["operation"], r["form"]): r for r in json.loads((tmp_path / "file").read_text())["rows"]}
    assert set(rows) == {("tanh", "value"), ("tanh", "derivative"), ("softmax", "value")}
    assert rows["tanh", "value"]["results"]["fastloa"]["worst"] <= 0.51


def test_the_page_is_what_its_script_writes():
    spec = importlib.util.spec_from_file_location("numerics", ROOT / "benchmarks" / "numerics.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    document = json.loads(script.SOURCE.read_text())
    page = script.page(document)
    assert page == script.TARGET.read_text()
    assert "| `tanh.derivative` | all 4,294,967,296 |" in page
    for row in document["rows"]:
        if (row["operation"], row["form"], row["dtype"]) == ("tanh", "derivative", "float32"):
            row["done"] -= 1
    fewer = script.page(document)
    assert "| `tanh.derivative` | all" not in fewer
    assert "`tanh`" in fewer[fewer.index(script.WAITING[:20]) : fewer.index("## Special")]


def test_what_the_command_line_refuses(tmp_path):
    other = tmp_path / "other"
    other.write_text("{}")
    row = {"operation": "sigmoid", "form": "value", "dtype": "float32"}
    broken = [
        {"run": None, "seconds": 1, "rows": []},
        {"run": [1], "seconds": 1, "rows": []},
        {"run": {}, "seconds": 1, "rows": [row]},
        {
            "run": {},
            "seconds": 1,
            "rows": [{**row, "kernels": "", "whole": False, "chunks": 1, "done": 1, "results": {"fastloa": 1}}],
        },
    ]
    for i, document in enumerate(broken):
        (tmp_path / f"broken{i}").write_text(json.dumps(document))
    assert run("--op", "relu", "--dtype", "float16", "--json", str(tmp_path / "file")).exit_code == 0
    for arguments, message in (
        (["--op", "rely"], "--op must be one of"),
        (["--dtype", "float8"], "--dtype must be one of float32, float64, float16, bfloat16, got 'float8'"),
        (["--points", "0"], "--points must be a number of points, such as 1000000 or 1e6, got 0"),
        (["--points", "nan"], "--points must be"),
        (["--op", "relu", "--json", str(tmp_path / "no" / "file")], "cannot write"),
        *((["--op", "relu", "--json", str(tmp_path / f"broken{i}")], "cannot go on from") for i in range(len(broken))),
        (["--op", "relu", "--json", str(other)], "cannot go on from"),
        (
            ["--op", "relu", "--dtype", "float16", "--points", "7", "--json", str(tmp_path / "file")],
            "holds another run (points differ)",
        ),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert message in result.output.replace("\n", " "), result.output
        assert "Traceback" not in result.output
    assert other.read_text() == "{}"
