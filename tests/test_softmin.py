"""Softmin is the softmax of -x to the bit, wherever it is computed and written."""

import numpy as np
import pytest

import fastloa as fl
from tests.harness import check_same_bits
from tests.samples import matrix
from tests.subjects import DTYPES, group

SHAPES = [(7,), (40, 10), (3, 70), (20, 5000), (300, 3)]


@pytest.mark.parametrize("dtype", [pytest.param(dtype, marks=group("softmin", dtype)) for dtype in DTYPES])
def test_softmin_is_softmax_of_the_negative(dtype, engine):
    rng = np.random.default_rng(5)
    for x in (matrix(dtype), *((5.0 * rng.normal(size=shape)).astype(dtype) for shape in SHAPES)):
        wanted, g = fl.softmax(-x, **engine), rng.normal(size=x.shape).astype(dtype)
        check_same_bits(fl.softmin(x, **engine), wanted, f"{x.shape}")
        own = x.copy()
        assert fl.softmin(own, out=own, **engine) is own
        check_same_bits(own, wanted, f"{x.shape} in place")
        check_same_bits(fl.softmin(x.T, axis=0, **engine), wanted.T, f"{x.shape} transposed")
        with np.errstate(invalid="ignore"):
            check_same_bits(fl.softmin.backward(g, x, **engine), -fl.softmax.backward(g, -x, **engine), f"{x.shape}")
            slope = -fl.softmax.backward_from_output(g, wanted, **engine)
            check_same_bits(fl.softmin.backward_from_output(g, wanted, **engine), slope, f"{x.shape}")


def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(6).normal(size=(9, 33))
    np.testing.assert_allclose(fl.softmin(x), torch.nn.functional.softmin(torch.tensor(x), dim=-1).numpy(), rtol=1e-14)
