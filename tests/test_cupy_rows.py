"""The CUDA C++ engine's rows against the CPU, bit for bit: the very text of its kernels, built by g++, or on a GPU."""

import numpy as np
import pytest
from fastloa_kernels.engines import RowForm, RowOptions, load_engine
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.engines.cupy_native.teams import loss_teams
from fastloa_kernels.formulas.rowwise import SOFTMAX
from fastloa_kernels.records import Projection, ProjectionLoss, RowLoss, Rowwise

from tests.mirrored import Mirrored
from tests.shim import catalogue
from tests.shim.compare import both, cpu, needs_compiler, numbers, parametrize, same
from tests.shim.driver import ShimDriver

# Bent losses differ in their formula alone: one of them goes through all that is made of a formula.
ALIKE = [record for record in catalogue.records(RowLoss).values() if record.bent][1:]
ENGINES = [pytest.param("shim", marks=needs_compiler), "cupy"]

LABELLED = [
    pytest.param(record, labels, id=f"{name}-{'labels' if labels else 'probabilities'}")
    for name, record in catalogue.records(RowLoss, ProjectionLoss).items()
    for labels in catalogue.kinds_of_targets(record)
]


def everything(record, labels):
    """Give the form with all there is; losses by a projection have no class weights."""
    return RowForm(value=True, grad=True, hess=True, labels=labels, weighted=isinstance(record, RowLoss))


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    """The engine on NumPy arrays; in the shim, with the kernels of this file built in large pieces."""
    if request.param == "cupy":
        return Mirrored(load_engine("cupy"))
    driver = ShimDriver()
    for dtype in catalogue.DTYPES:
        of_losses = (
            source.row_loss_source(record, everything(record, labels), dtype, team)
            for record, labels in (parameter.values for parameter in LABELLED)
            for team in catalogue.used(loss_teams(record, dtype, everything(record, labels)), lengths(record))
        )
        of_few_classes = (
            source.row_loss_source(record, form, dtype, team)
            for record in catalogue.records(RowLoss, ProjectionLoss).values()
            if record not in ALIKE
            for form in catalogue.row_loss_forms(record)
            for team in catalogue.used(loss_teams(record, dtype, form), [FEW])
        )
        of_activations = catalogue.row_sources(dtype, lengths=SHIM)
        driver.prepare([*of_activations, *of_losses, *of_few_classes, *catalogue.other_sources(dtype)])
    return Engine(driver)


# A length for each kind of team and size of a cluster in some dtype; on a GPU, where they cost nothing, for all of them.
SHIM = (2, 31, 129, 1100, 2049, 9000, 20_000, 40_000)
FEW = 20
DEVICE = (1, *SHIM, 10, 60, 100, 300, 1000, 2047, 2048, 4096, 8192, 60_000, 300_000)


def lengths(record):
    return (FEW,) if record in ALIKE else SHIM


def classes_for(engine, record=None):
    return DEVICE if isinstance(engine, Mirrored) else lengths(record)


def scores(classes, dtype):
    """Rows that take every way through a row's statistics."""
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(10, classes)) * 5
    x[1, classes // 2] = 40.0  # all others are far smaller
    x[2] = x[2, 0]  # all alike
    x[3, -1] = np.inf
    x[4, :2] = np.inf
    x[5] = -np.inf
    x[6, classes // 3] = np.nan
    x[7, classes // 3] = -np.nan
    x[8, ::2] = -np.inf
    x[9] = -rng.integers(0, 2, classes) * 1e30
    return x.astype(dtype)


@parametrize(Rowwise, Projection)
@both
def test_row_activations_are_the_cpus(engine, record, dtype):
    for classes in classes_for(engine):
        check_activation(engine, record, dtype, classes)


def check_activation(engine, record, dtype, classes):
    x = scores(classes, dtype)
    got, expected = np.empty_like(x), np.empty_like(x)
    for made, out in ((engine, got), (cpu(), expected)):
        made.load(record, "value", dtype)((x,), out)
    same(got, expected)
    g = numbers(x.size, dtype, classes).reshape(x.shape)
    for made, out in ((engine, got), (cpu(), expected.copy())):
        made.load(record, "backward_from_output", dtype)((g, expected), out)
        if made is not engine:
            same(got, out)
    same_in_place = x.copy()
    engine.load(record, "value", dtype)((same_in_place,), same_in_place)
    same(same_in_place, expected)


@needs_compiler
@parametrize(Rowwise, Projection)
@both
def test_a_device_without_clusters_gives_the_same_bits(record, dtype):
    check_activation(Engine(ShimDriver(cluster=1)), record, dtype, 20_000)


@parametrize(Rowwise, Projection)
def test_no_rows_are_no_work(engine, record):
    empty = np.empty((0, 5), "float32")
    engine.load(record, "value", "float32")((empty,), empty)


def row_loss(made, record, form, x, target, class_weight, sample_weight, options, *, each):
    """The value (of each row, or their sum), the gradient and the Hessian's diagonal; None for what is not asked."""
    rows, dtype = x.shape[0], x.dtype
    out = np.empty(rows, dtype) if form.value and each else None
    dx, h = (np.empty_like(x) if wanted else None for wanted in (form.grad, form.hess))
    weight = class_weight if form.weighted else None
    total = made.load(record, form, dtype.name)(x, target, weight, sample_weight, options, out, dx, h)
    return total if out is None else out, dx, h


def row_targets(x, labels, seed):
    rng = np.random.default_rng(seed)
    rows, classes = x.shape
    if labels:
        target = rng.integers(0, classes, rows)
        target[0] = classes // 2
        return target
    target = rng.random(x.shape)
    target[:, ::3] = 0.0
    return (target / np.maximum(target.sum(1, keepdims=True), 1e-30)).astype(x.dtype)


@pytest.mark.parametrize(("record", "labels"), LABELLED)
@both
def test_row_losses_are_the_cpus(engine, record, labels, dtype):
    for classes in classes_for(engine, record):
        x, rng = scores(classes, dtype), np.random.default_rng(classes)
        target = row_targets(x, labels, classes)
        class_weight, sample_weight = rng.random(classes).astype(dtype), rng.random(x.shape[0]).astype(dtype)
        for smoothing, weights in ((0.0, None), (0.1 * isinstance(record, RowLoss), sample_weight)):
            options = RowOptions(
                ignore_index=int(target[-1]) if labels and weights is not None else -100,
                keep=1.0 - smoothing,
                smoothing=smoothing / classes,
                weight_sum=float(class_weight.sum(dtype="float64")),
                divisor=7.0,
                z_loss=0.3 * smoothing,
                parameters=(0.75,) * len(record.parameters),
            )
            for each in (True, False):
                arguments = (record, everything(record, labels), x, target, class_weight, weights, options)
                for got, expected in zip(
                    row_loss(engine, *arguments, each=each), row_loss(cpu(), *arguments, each=each), strict=True
                ):
                    same(got, expected)


@parametrize(RowLoss, ProjectionLoss)
@both
def test_weights_below_0_keep_the_sign_of_a_gradient_of_0(engine, record, dtype):
    x, weight = np.full((3, FEW), -2000.0, dtype), np.array([-1.0, 1.0, -0.5], dtype)
    x[:, 0] = 0.0
    form, parameters = RowForm(True, True, False, labels=True, weighted=False), (0.75,) * len(record.parameters)
    options = RowOptions(-100, 1.0, 0.0, float(FEW), 2.0, parameters=parameters)
    arguments = record, form, x, np.array([0, 1, 0]), None, weight, options
    for got, expected in zip(*(row_loss(made, *arguments, each=True) for made in (engine, cpu())), strict=True):
        if got is not None:
            same(got, expected)


@needs_compiler
def test_rows_that_no_shared_memory_has_room_for_are_refused():
    x = np.zeros((1, 2_000_000), "float32")
    with pytest.raises(
        ValueError, match=r"^the cupy backend has no room for rows of 2,000,000 elements on this device$"
    ):
        Engine(ShimDriver()).load(SOFTMAX, "value", "float32")((x,), x)


@pytest.mark.parametrize(("record", "labels"), [p for p in LABELLED if p.values[0] not in ALIKE])
@both
def test_every_form_of_a_row_loss_gives_the_same_numbers(engine, record, labels, dtype):
    x = scores(FEW, dtype)
    target = row_targets(x, labels, 1)
    weight = np.random.default_rng(0).random(FEW).astype(dtype)
    for form in catalogue.row_loss_forms(record):
        if form.labels != labels:
            continue
        used = weight if form.weighted else np.ones_like(weight)
        total = float(used.sum(dtype="float64"))
        shares = (0.9, 0.005) if isinstance(record, RowLoss) else (1.0, 0.0)
        sums = np.array(total) if form.weighted else total, np.array(7.0, dtype)
        options = RowOptions(-100, *shares, *sums, parameters=(0.75,) * len(record.parameters))
        got = row_loss(engine, record, form, x, target, weight, None, options, each=False)
        expected = row_loss(engine, record, everything(record, labels), x, target, used, None, options, each=False)
        for wanted, one, other in zip((form.value, form.grad, form.hess), got, expected, strict=True):
            assert wanted == (one is not None)
            if wanted:
                same(one, other)


@parametrize(RowLoss, ProjectionLoss)
@both
def test_a_label_out_of_range_poisons_its_row_and_no_other(engine, record, dtype):
    for classes in (5, 300, 3000):
        x = np.random.default_rng(0).normal(size=(6, classes)).astype(dtype)
        target, weight = np.array([1, -5, classes, 2**40, -100, 3]), np.ones(classes, dtype)
        options = RowOptions(-100, 1.0, 0.0, float(classes), 1.0)
        arguments = (engine, record, everything(record, True), x, target, weight, None, options)
        value, dx, h = row_loss(*arguments, each=True)
        total, *_ = row_loss(*arguments, each=False)
        bad = np.array([False, True, True, True, False, False])
        for result in (value[:, None], dx, h):
            assert np.isnan(result[bad]).all()
            assert np.isfinite(result[~bad]).all()
        assert np.isnan(total)
        assert value[4] == 0
        assert not dx[4].any()


@both
def test_the_weights_of_labels_are_the_cpus(engine, dtype):
    rng = np.random.default_rng(0)
    for size in (0, 1, 2048, 5000):
        labels = rng.integers(0, 7, size)
        labels[::5] = -100
        class_weight, sample_weight = rng.random(7).astype(dtype), rng.random(size).astype(dtype)
        for weights in ((None, None), (class_weight, None), (None, sample_weight), (class_weight, sample_weight)):
            bad, total = engine.label_weights(labels, *weights, -100, 7)
            expected = cpu().label_weights(labels, *weights, -100, 7)
            assert (bad.dtype, int(bad)) == (np.int64, expected[0])
            same(total, np.float64(expected[1]))
        labels[size // 2 :: 7] = 7
        labels[size - 1 :] = -1
        bad, _ = engine.label_weights(labels, None, None, -100, 7)
        assert int(bad) == cpu().label_weights(labels, None, None, -100, 7)[0]
