"""``fastloa bench`` and ``fastloa warmup``: every case runs, agrees with others, and is refused in one line."""

import importlib.util
import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

import fastloa as fl
from fastloa.cli.app import app
from fastloa.cli.bench import TOLERANCE, Settings, disagreement, point
from fastloa.cli.bench_case import Place
from fastloa.cli.bench_cases import cases
from fastloa.cli.bench_peers import COMPILED, PEERS, library
from fastloa.cli.timing import Competitor, on_host

MODULES = {"PyTorch": "torch", "PyTorch foreach": "torch", COMPILED: "torch", "JAX": "jax", "numexpr": "numexpr"}
COMPILED_CASES = ("relu", "gelu.backward", "mse_loss.value_and_grad")  # a compilation takes seconds
PLACE = Place("cpu")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def inputs_of(case):
    return case.inputs(np.random.default_rng(0), (6, 5) if case.rows else (30,), np.dtype("float32"))


@pytest.mark.parametrize("name", cases())
def test_numpy_agrees_as_people_write_it(name):
    case = cases()[name]
    inputs = inputs_of(case)
    expected = on_host(case.ours(inputs, PLACE).outcome())
    assert all(np.isfinite(array).all() for array in expected)
    plain = case.plain(inputs, PLACE)
    assert plain is None or disagreement(expected, plain, TOLERANCE[4]) is None
    assert case.size(inputs) >= sum(x.nbytes for x in inputs)


def test_nothing_is_left_out():
    measured = {case.operation for case in cases().values()}
    assert {*fl.activations.__all__, *fl.losses.__all__} <= measured
    assert set(fl.optimizers.__all__) - measured == {"LBFGS", "Lookahead"}  # which step by what they are given


@pytest.mark.parametrize("peer", [*PEERS, COMPILED])
def test_others_agree(peer):
    if importlib.util.find_spec(MODULES[peer]) is None:
        pytest.skip(f"{MODULES[peer]} is not installed")
    with warnings.catch_warnings(action="ignore"):  # which are theirs
        check_peer(peer)


def check_peer(peer):
    other, found = library(peer, gpu=False, threads=1), 0
    for case in cases().values():
        if peer == COMPILED and case.name not in COMPILED_CASES:
            continue
        inputs = inputs_of(case)
        competitor = case.peer(other, inputs, PLACE)
        if competitor is not None:
            found += 1
            note = disagreement(on_host(case.ours(inputs, PLACE).outcome()), competitor, TOLERANCE[4])
            if case.operation in ("SparseAdam", "gumbel_softmax"):  # takes sparse tensors only; draws other numbers
                assert note is not None
            else:
                assert note is None, (case.name, note)
    assert found >= {"numexpr": 10, COMPILED: 3, "PyTorch foreach": 8}.get(peer, 15)


def test_who_disagrees_is_told_by_how_much():
    ours = [np.array([1.0, 2.0])]
    assert disagreement(ours, Competitor(lambda: np.array([1.0, 2.5])), 1e-4) == (
        "disagrees by 0.5 where the largest result is 2"
    )
    assert disagreement(ours, Competitor(lambda: np.array([1.0, 2.0])), 1e-4) is None

    def fails():
        raise RuntimeError("no\nsuch thing")

    assert disagreement(ours, Competitor(fails), 1e-4) == "failed: no such thing"


def test_a_case_that_cannot_run_says_why():
    found = point(cases()["cross_entropy.value_and_grad"], (3, 0), np.dtype("float32"), "cpu", Settings(1))
    assert found.notes.keys() == {"fastloa"}
    assert not found.times


def test_results_are_printed_and_written(tmp_path):
    path = tmp_path / "results.json"
    result = run("bench", "--op", "relu,cross_entropy", "--size", "50", "--repeat", "2", "--json", str(path))
    assert result.exit_code == 0, result.output
    assert "relu.backward_from_output" in result.output
    rows = json.loads(path.read_text())["rows"]
    assert {row["name"] for row in rows} == {
        "relu", "relu.backward", "relu.backward_from_output", "cross_entropy.value_and_grad",
    }  # fmt: skip
    for row in rows:
        assert row["seconds"]["fastloa"]["median"] > 0
        assert row["times"]["NumPy"] == row["seconds"]["NumPy"]["median"] / row["seconds"]["fastloa"]["median"]
        assert row["share_of_copy"] > 0


def test_calls_are_compiled_ahead():
    result = run("warmup", "--op", "relu,mse_loss", "--dtype", "float32,float64")
    assert result.exit_code == 0, result.output
    # relu, its derivative, and backwards from both; the loss, its gradient, both, and the Hessian; on few and many.
    assert result.output.startswith(f"{2 * 2 * (4 + 4)} calls are ready, after ")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("command", ["bench", "warmup"])
@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--op", "nonsense", "--op must be one of ADOPT, "),
        ("--dtype", "int8", "--dtype must be one of float32, float64, float16, bfloat16, got 'int8'"),
        ("--backend", "tpu", "--backend must be one of cpu, cupy, cuda, got 'tpu'"),
    ],
)
def test_what_is_not_known_is_refused(command, option, value, says):
    result = run(command, option, value)
    assert result.exit_code == 1
    assert result.output.startswith(f"fastloa: {says}")
    assert len(result.output.splitlines()) == 1


def test_a_size_that_is_none_is_refused():
    result = run("bench", "--size", "many")
    assert result.exit_code == 1
    assert result.output.startswith("fastloa: --size must be a number of elements (1000000, 1e6) or rows and columns")
