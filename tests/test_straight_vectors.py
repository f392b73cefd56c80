"""Losses of rows of vectors with the usual options go straight to their kernel, with the bits of the long way."""

import itertools

import numpy as np
import pytest

import fastloa as fl
from fastloa import vector_loss_operations
from tests.harness import as_tuple, check_same_bits
from tests.subjects import DTYPES

SHAPES = [(1, 3), (5, 7), (40, 1), (9, 2050), (700, 100)]  # few elements, rows of more than a block, and many rows
VECTORS = {"cosine_embedding_loss": 2, "cosine_distance": 2, "triplet_margin_loss": 3, "multilabel_soft_margin_loss": 2}
NAMES = [*VECTORS, "multi_margin_loss", "multilabel_margin_loss"]


def arguments(name, shape, dtype):
    """Give a call's arrays."""
    rng = np.random.default_rng([*shape, NAMES.index(name)])
    x = rng.normal(size=(VECTORS.get(name, 1), *shape)).astype(dtype)
    if name == "cosine_embedding_loss":
        return [*x, np.where(rng.random(shape[0]) < 0.5, 1, -1).astype(dtype)]
    if name == "multilabel_soft_margin_loss":
        return [x[0], (x[1] > 0).astype(dtype)]
    if name == "multi_margin_loss":
        return [x[0], rng.integers(0, shape[1], shape[0])]
    if name == "multilabel_margin_loss":
        labels = np.full((shape[0], 4), -1)
        for row in labels:
            some = rng.choice(shape[1], min(3, shape[1]), replace=False)
            row[: len(some)] = some
        return [x[0], labels]
    return list(x)


def forms(name):
    operation = getattr(fl, name)
    names = ("grad", "value_and_grad", "grad_and_hess")
    return {"value": operation, **{form: getattr(operation, form) for form in names if hasattr(operation, form)}}


def flat(results):
    """Give values and gradients one after the other, which some losses have several of."""
    return tuple(array for result in as_tuple(results) for array in as_tuple(result))


def no(*args, **options):
    raise AssertionError("not straight")


@pytest.fixture
def straight(monkeypatch):
    """See to it that there is no other way."""
    monkeypatch.setattr(vector_loss_operations, "Call", no)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_they_have_the_bits_of_the_long_way(name, dtype):
    for shape, reduction in itertools.product(SHAPES, ("mean", "sum", "none")):
        arrays = arguments(name, shape, dtype)
        for form, call in forms(name).items():
            got, wanted = (flat(call(*arrays, reduction=reduction, **more)) for more in ({}, {"backend": "cpu"}))
            assert [type(r) for r in got] == [type(r) for r in wanted]
            check_same_bits(got, wanted, (form, shape, reduction))


@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_they_go_straight(name, dtype):
    for shape in SHAPES:
        arrays = arguments(name, shape, dtype)
        for call in forms(name).values():
            call(*arrays)
            call(*arrays, reduction="sum")


@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_soft_margin_loss"])
def test_a_gradient_goes_where_it_is_wanted(name):
    x, target = arguments(name, (5, 7), "float32")
    wanted, out = getattr(fl, name).grad(x, target), np.empty_like(x)
    assert getattr(fl, name).grad(x, target, grad_out=out) is out
    check_same_bits(out, wanted)
    with pytest.raises(AssertionError, match="not straight"):
        getattr(fl, name).grad(x, target, grad_out=x)


def unfit(name, arrays):
    """Give what the arrays may be instead, as a call may have them."""
    x, *others = arrays
    yield "not in order", [np.asfortranarray(x), *others]
    yield "at odd addresses", [np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape), *others]
    yield "several dimensions", [a.reshape(a.shape[0], 1, *a.shape[1:]) for a in arrays]
    if "margin" in name and others[0].dtype.kind == "i":
        yield "labels of another dtype", [x, others[0].astype(np.int32)]
        yield "labels not in order", [x, np.repeat(others[0], 2, axis=0)[::2]]


@pytest.mark.parametrize("name", NAMES)
def test_what_they_cannot_take_goes_the_long_way(name, monkeypatch):
    arrays, call = arguments(name, (5, 7), "float64"), getattr(fl, name).value_and_grad
    wanted = flat(call(*arrays, reduction="sum"))
    for what, given in unfit(name, arrays):
        got = flat(call(*given, reduction="sum"))
        check_same_bits(tuple(r.reshape(w.shape) for r, w in zip(got, wanted, strict=True)), wanted, what)
    monkeypatch.setattr(vector_loss_operations, "Call", no)
    for _, given in unfit(name, arrays):
        with pytest.raises(AssertionError, match="not straight"):
            call(*given, reduction="sum")


@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_margin_loss"])
def test_wrong_labels_are_told(name):
    x, labels = arguments(name, (5, 7), "float32")
    (labels if labels.ndim == 1 else labels[:, 0])[3] = 7
    place = "3" if labels.ndim == 1 else r"\(3, 0\)"
    with pytest.raises(ValueError, match=f"{name}.grad: target must be in .*, got 7 at index {place}"):
        getattr(fl, name).grad(x, labels)
    with pytest.raises((TypeError, ValueError), match=f"{name}: target must be integer labels"):
        getattr(fl, name)(x, labels[:4])
