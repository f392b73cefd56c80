"""The examples under docs/ run, and find what NumPy finds."""

import importlib.util
from pathlib import Path

import numpy as np

DOCS = Path(__file__).parents[1] / "docs"


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_batch_gradient_descent_goes_to_the_minimum(capsys):
    result = load("batch_gradient_descent").main()
    np.testing.assert_allclose(result.params, [0.0, 0.0], atol=1e-6)
    assert result.reason.startswith("gradient norm")
    # Each step shrinks theta by 1 - 2 * lr = 0.8, so the path is known.
    assert result.steps == np.ceil(np.log(1e-6 / (2 * np.sqrt(13))) / np.log(0.8))
    assert "step  10: theta = ( 0.322123, -0.214748)" in capsys.readouterr().out


def test_minibatch_gradient_descent_finds_the_least_squares():
    example = load("minibatch_gradient_descent")
    result = example.main()
    x, y = example.problem()
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(result.params, best, atol=2e-3)
    assert result.steps == 5000
    assert result.reason == "5000 steps"
