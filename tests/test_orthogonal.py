"""Muon against PyTorch's, told to compute in float64, and against itself in bfloat16 as it is."""

import pickle

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from fastloa import stacks
from fastloa.optimizers import orthogonal
from tests.harness import check_same_bits
from tests.scalars import refused
from tests.trajectories import gradients

SHAPES = [(5, 8), (8, 5), (6, 6), (1, 7)]
OPTIONS = (
    {},
    {"nesterov": False, "momentum": 0.9, "weight_decay": 0.0, "adjust_lr_fn": "original"},
    {"adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5), "lr": 0.02},
)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("options", OPTIONS)
def test_a_thousand_steps_are_pytorchs_in_float64(options, torch, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    p = [np.random.default_rng(1).standard_normal(shape) for shape in SHAPES]
    theirs = [torch.from_numpy(x.copy()) for x in p]
    ours, golden = fl.Muon(p, **options), torch.optim.Muon(theirs, **options)
    for gs in zip(*(gradients(shape, "float64", 1000) for shape in SHAPES), strict=True):
        for tensor, g in zip(theirs, gs, strict=True):
            tensor.grad = torch.from_numpy(g)
        golden.step()
        ours.step(list(gs))
    for got, wanted in zip(p, theirs, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-12, atol=1e-12 * np.abs(got).max())


def test_pytorchs_own_rounding_is_about_a_hundredth_of_a_step(torch):
    p, g = np.random.default_rng(1).standard_normal((2, 20, 30))
    theirs, start = torch.from_numpy(p.copy()), p.copy()
    theirs.grad = torch.from_numpy(g)
    torch.optim.Muon([theirs], weight_decay=0.0).step()
    fl.Muon(p, weight_decay=0.0).step(g)
    np.testing.assert_allclose(p - start, theirs.numpy() - start, atol=0.03 * np.abs(p - start).max())


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32"])
def test_other_dtypes_are_float64s_rounded(dtype):
    start, g = np.random.default_rng(1).standard_normal((2, 8, 5)).astype(dtype)
    p, wide = start.copy(), start.astype("float64")
    fl.Muon(p, lr=0.1).step(g)
    fl.Muon(wide, lr=0.1).step(g.astype("float64"))
    np.testing.assert_allclose(p.astype("float64"), wide, rtol=1e-6 + float(ml_dtypes.finfo(dtype).eps), atol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_steps_do_not_depend_on_the_size_of_gradients(size):
    p, q, g = np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32), gradients((4, 3), "float32", 1)[0]
    fl.Muon(p, eps=0.0).step(g)
    fl.Muon(q, eps=0.0).step(g * np.float32(size))
    np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-7)
    fl.Muon(p).step(np.zeros((4, 3), np.float32))
    assert np.isfinite(p).all()


def test_what_is_folded_is_done_before_the_momentum_or_after_the_step():
    start, g = np.random.default_rng(1).standard_normal((2, 4, 6))
    p, q = start.copy(), start.copy()
    plain, folded = fl.Muon(p), fl.Muon(q, grad_scale=4.0, clip_value=0.5, clip_norm=1.0, ema=0.75, zero_grad=True)
    mean = start.copy()
    for k in (1.0, 2.0, -0.5):
        d = np.clip(k * g / 4.0, -0.5, 0.5)
        plain.step(d * min(1.0, 1.0 / (np.linalg.norm(d) + 1e-6)))
        given = k * g
        folded.step(given)
        mean = 0.75 * mean + 0.25 * p
        assert not given.any()
    np.testing.assert_allclose(p, q, rtol=1e-12)
    np.testing.assert_allclose(folded.ema, mean, rtol=1e-12)


def test_a_run_goes_on_from_its_state_and_copies_the_layout_it_finds():
    p, gs = np.asfortranarray(np.ones((3, 4))), gradients((3, 4), "float64", 20)
    first = fl.Muon(p, lr=fl.schedules.linear(0.1, 0.01, 20))
    for g in gs[:10]:
        first.step(g)
    q = p.copy(order="C")
    second = fl.Muon(q, lr=fl.schedules.linear(0.1, 0.01, 20))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    for g in gs[10:]:
        first.step(g)
        second.step(np.asfortranarray(g))
    np.testing.assert_array_equal(p, q)
    assert list(first.state_dict()["states"][0]) == ["momentum_buffer"]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bare_steps_are_the_same(options, dtype):
    p = np.random.default_rng(1).standard_normal((5, 8)).astype(dtype)
    q, buffer = p.copy(), np.zeros((5, 8), "float32" if dtype == "float16" else dtype)
    optimizer = fl.Muon(p, **options)
    for g in gradients((5, 8), dtype, 5):
        optimizer.step(g)
        fl.muon_step(q, g, buffer, **options)
        check_same_bits((q, buffer), (p, optimizer.state_dict()["states"][0]["momentum_buffer"]))
    folded = {"grad_scale": 2.0, "clip_value": 0.5, "clip_norm": 1.0, "zero_grad": True}
    (first, second), optimizer = gradients((5, 8), dtype, 2), fl.Muon(p, **options, **folded)
    optimizer.load_state_dict({**optimizer.state_dict(), "states": [{"momentum_buffer": buffer}]})
    for g in (first, second):
        given = g.copy()
        optimizer.step(g)
        fl.muon_step(q, given, buffer, step=7, **options, **folded)
        assert not given.any()
    check_same_bits(q, p)


@pytest.mark.parametrize("folded", [{}, {"grad_scale": 2.0, "clip_value": 0.5, "ema": 0.75, "zero_grad": True}])
@pytest.mark.parametrize("options", OPTIONS)
def test_matrices_side_by_side_have_the_bits_of_single_ones(options, folded, monkeypatch):
    monkeypatch.setattr(stacks, "TOGETHER", 1 << 15)
    shapes = [
        (5, 8),
        (70, 30),
        (8, 5),
        (70, 30),
        (5, 8),
        (1, 1),
        (200, 90),
        (70, 30),
        (0, 4),
        (0, 4),
        (221, 48),
        (221, 48),
    ]
    dtypes = ["float16", "float32", "float64"]
    p = [np.random.default_rng(1).standard_normal(shape).astype(dtype) for shape in shapes for dtype in dtypes]
    q, calls, original = [x.copy() for x in p], [], orthogonal.move
    monkeypatch.setattr(orthogonal, "move", lambda some, *rest: (calls.append(len(some)), original(some, *rest)))
    every, single = fl.Muon(p, **options, **folded), [fl.Muon(x, **options, **folded) for x in q]
    for seed in range(3):
        gs = [np.random.default_rng(seed).standard_normal(x.shape).astype(x.dtype) for x in p]
        every.step([g.copy() for g in gs])
        assert max(calls) == 6  # of 16 bits as well as of 32
        calls.clear()
        for optimizer, g in zip(single, gs, strict=True):
            optimizer.step(g)
        assert max(calls) == 1
        calls.clear()
        check_same_bits(tuple(p), tuple(q))
    for own, optimizer in zip(every.state_dict()["states"], single, strict=True):
        check_same_bits(tuple(own.values()), tuple(optimizer.state_dict()["states"][0].values()))


def test_bare_steps_refuse_what_is_no_matrix_and_write_nothing():
    p, g, buffer = np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 3))
    with refused(ValueError, "muon_step: p must have two dimensions, got shape (3,)"):
        fl.muon_step(p[0], g[0], buffer[0])
    with refused(ValueError, "muon_step: p and momentum_buffer must have the same shape, got (2, 3) and (2, 2)"):
        fl.muon_step(p, g, buffer[:, :2])
    with refused(ValueError, "muon_step: p and momentum_buffer must be arrays apart, got overlapping memory"):
        fl.muon_step(p, g, p)
    with refused(TypeError, "muon_step: takes the arrays p, g, momentum_buffer, got 2"):
        fl.muon_step(p, g)
    with refused(ValueError, "muon_step: ns_steps must be an integer >= 0, got -1"):
        fl.muon_step(p, g, buffer, ns_steps=-1)
    assert (p == 1.0).all()
    assert not buffer.any()


def test_options():
    with refused(ValueError, "Muon: params[1] must have two dimensions, got shape (3,)"):
        fl.Muon([np.ones((2, 2)), np.ones(3)])
    with refused(ValueError, "Muon: adjust_lr_fn must be 'original' or 'match_rms_adamw', got 'none'"):
        fl.Muon(np.ones((2, 2)), adjust_lr_fn="none")
    with refused(ValueError, "Muon: ns_coefficients must be three numbers, got 2"):
        fl.Muon(np.ones((2, 2)), ns_coefficients=(1.0, 2.0))
    with refused(ValueError, "Muon: momentum must be in [0, 1], got 1.5"):
        fl.Muon(np.ones((2, 2)), momentum=1.5)
