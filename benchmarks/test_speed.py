"""Every case of the benchmark under pytest-benchmark, to hold one version of fastloa against another.

    pytest benchmarks/test_speed.py -n0 --benchmark-only --benchmark-autosave
    pytest-benchmark compare

Others are not in it: `fastloa bench --compare` lets them take turns, which a noisy machine needs.
"""

import numpy as np
import pytest

from fastloa.cli.bench_case import Place
from fastloa.cli.bench_cases import cases


@pytest.mark.parametrize("size", ["1e4", "1e6"])
@pytest.mark.parametrize("name", cases())
def test_speed(benchmark, name, size):
    case, count = cases()[name], int(float(size))
    inputs = case.inputs(np.random.default_rng(0), (count // 100, 100) if case.rows else (count,), np.dtype("float32"))
    benchmark.extra_info["bytes"] = case.size(inputs)
    benchmark(case.ours(inputs, Place("cpu")).run)
