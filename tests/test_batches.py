"""Minibatches: which rows, in which order, evenness of classes, saving and resuming, devices, and every message."""

import json
import pickle
import re
from itertools import chain

import numpy as np
import pytest

from fastloa.batches import minibatches
from tests.stand_in_cupy import Device, install


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def rows(batches):
    """List the rows of an epoch, batch by batch."""
    return [batch.tolist() for batch in batches]


def flat(batches):
    return np.concatenate([np.asarray(batch) for batch in batches])


@pytest.mark.parametrize(("n", "size"), [(10, 3), (12, 3), (2, 5), (1, 1), (5, 5), (0, 4)])
@pytest.mark.parametrize("stratified", [False, True])
def test_an_epoch_holds_every_row_once(n, size, stratified):
    x = np.arange(n)
    batches = minibatches(x, batch_size=size, rng=1, stratify=x % 3 if stratified else None)
    for _ in range(3):
        epoch = rows(batches)
        assert len(epoch) == len(batches) == -(-n // size)
        assert [len(batch) for batch in epoch] == [min(size, n - start) for start in range(0, n, size)]
        assert sorted(chain.from_iterable(epoch)) == list(range(n))


@pytest.mark.parametrize(("n", "size", "count"), [(10, 3, 3), (12, 3, 4), (2, 5, 0), (0, 1, 0)])
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"stratify": True}])
def test_drop_last_leaves_out_the_small_batch(n, size, count, options):
    x = np.arange(n)
    if "stratify" in options:
        options = {"stratify": x % 2}
    batches = minibatches(x, batch_size=size, rng=1, drop_last=True, **options)
    epoch = rows(batches)
    assert len(batches) == len(epoch) == count
    assert [len(batch) for batch in epoch] == [size] * count
    assert len(set(chain.from_iterable(epoch))) == size * count


def test_several_arrays_stay_together():
    x = np.arange(40).reshape(20, 2)
    y = np.arange(0, 40, 2).astype(np.float32)
    z = np.array([f"row {i}" for i in range(0, 40, 2)])
    for xb, yb, zb in minibatches(x, y, z, batch_size=6, rng=0):
        assert xb.shape == (len(yb), 2)
        assert yb.dtype == np.float32
        assert xb[:, 0].tolist() == yb.tolist()
        assert zb.tolist() == [f"row {i}" for i in xb[:, 0]]


def test_one_array_gives_arrays_and_several_give_tuples():
    x = np.arange(4)
    assert {type(batch) for batch in minibatches(x, batch_size=2)} == {np.ndarray}
    assert {type(batch) for batch in minibatches(x, x, batch_size=2)} == {tuple}


def test_without_shuffle_batches_are_contiguous_views():
    x = np.arange(20).reshape(10, 2)
    for _ in range(2):
        epoch = list(minibatches(x, batch_size=4, shuffle=False))
        assert flat(epoch).tolist() == x.tolist()
        assert all(np.shares_memory(batch, x) for batch in epoch)
    epoch[0][0, 0] = -1
    assert x[0, 0] == -1


def test_shuffled_batches_are_copies():
    x = np.arange(10)
    assert not any(np.shares_memory(batch, x) for batch in minibatches(x, batch_size=4))


@pytest.mark.parametrize("view", ["reversed", "strided", "fortran", "read-only"])
def test_any_layout_gives_the_same_rows(view):
    x = np.arange(60).reshape(20, 3)
    other = {
        "reversed": x[::-1].copy()[::-1],
        "strided": np.repeat(x, 2, axis=1)[:, ::2],
        "fortran": np.asfortranarray(x),
        "read-only": x.copy(),
    }[view]
    other.flags.writeable = view != "read-only"
    assert rows(minibatches(other, batch_size=7, rng=3)) == rows(minibatches(x, batch_size=7, rng=3))


def test_epochs_differ_and_follow_from_the_seed():
    x = np.arange(100)
    batches, twin = (minibatches(x, batch_size=32, rng=7) for _ in range(2))
    epochs = [flat(batches).tolist() for _ in range(3)]
    assert epochs == [flat(twin).tolist() for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert flat(minibatches(x, batch_size=32, rng=8)).tolist() != epochs[0]
    assert epochs[0] != x.tolist()


def test_the_batch_size_does_not_change_the_order():
    x = np.arange(100)
    assert flat(minibatches(x, batch_size=9, rng=7)).tolist() == flat(minibatches(x, batch_size=64, rng=7)).tolist()


def test_the_order_is_that_of_pcg64():
    seed = np.random.SeedSequence(7, spawn_key=(1,))
    batches = minibatches(np.arange(50), batch_size=50, rng=7)
    next(iter(batches)), next(iter(batches))
    assert batches.state_dict() == {"seed": 7, "epoch": 2, "position": 0}
    batches.load_state_dict({"seed": 7, "epoch": 1, "position": 0})
    (epoch,) = batches
    assert epoch.tolist() == np.random.Generator(np.random.PCG64(seed)).permutation(50).tolist()


def test_every_order_is_as_likely():
    """Chi-squared over the 24 orders of 4 rows in 4800 epochs; 60 is beyond the 1e-4 quantile of 23 degrees."""
    batches = minibatches(np.arange(4), batch_size=4, rng=0)
    counts = {}
    for _ in range(4800):
        order = tuple(flat(batches).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 60


def test_a_generator_gives_one_seed():
    x = np.arange(100)
    rng = np.random.default_rng(5)
    first, second = minibatches(x, batch_size=10, rng=rng), minibatches(x, batch_size=10, rng=rng)
    assert first.state_dict()["seed"] != second.state_dict()["seed"]
    state = rng.bit_generator.state
    flat(first), flat(second)
    assert rng.bit_generator.state == state
    again = minibatches(x, batch_size=10, rng=np.random.default_rng(5))
    assert again.state_dict()["seed"] == first.state_dict()["seed"]


def test_without_rng_each_has_its_own_seed():
    seeds = {minibatches(np.arange(3), batch_size=1).state_dict()["seed"] for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


OPTIONS = [{}, {"drop_last": True}, {"shuffle": False}, {"stratify": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("stop", range(1, 9))
def test_resuming_yields_exactly_the_remaining_batches(options, stop):
    x = np.arange(11)
    if "stratify" in options:
        options = {"stratify": x % 2}
    whole = minibatches(x, batch_size=3, rng=4, **options)
    expected = [(epoch, batch) for epoch in range(3) for batch in rows(whole)]
    running = minibatches(x, batch_size=3, rng=4, **options)
    seen = []
    while len(seen) < stop:
        for batch in running:
            seen.append(batch.tolist())
            if len(seen) == stop:
                break
    state = json.loads(json.dumps(running.state_dict()))
    resumed = minibatches(x, batch_size=3, rng=99, **options)
    resumed.load_state_dict(state)
    rest = rows(resumed)
    assert [(state["epoch"], batch) for batch in rest] == [e for e in expected[stop:] if e[0] == state["epoch"]]
    while len(seen) + len(rest) < len(expected):
        rest += rows(resumed)
    assert seen + rest == [batch for _, batch in expected]


def test_the_state_names_the_next_batch():
    batches = minibatches(np.arange(5), batch_size=2, rng=3)
    states = [batches.state_dict()] + [batches.state_dict() for _ in batches]
    assert [(s["epoch"], s["position"]) for s in states] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert {s["seed"] for s in states} == {3}


def test_a_loop_left_early_ends_its_epoch():
    x = np.arange(20)
    batches, twin = (minibatches(x, batch_size=6, rng=2) for _ in range(2))
    flat(twin)
    next(iter(batches))
    assert rows(batches) == rows(twin)
    assert batches.state_dict() == twin.state_dict()


def test_a_loop_never_begun_costs_no_epoch():
    x = np.arange(20)
    batches, twin = (minibatches(x, batch_size=6, rng=2) for _ in range(2))
    iter(batches)
    assert rows(batches) == rows(twin)


def test_a_loop_left_early_goes_on_from_its_own_state():
    batches, twin = (minibatches(np.arange(20), batch_size=6, rng=2) for _ in range(2))
    first = next(iter(batches)).tolist()
    batches.load_state_dict(batches.state_dict())
    assert [first, *rows(batches)] == rows(twin)
    assert rows(batches) == rows(twin)


def test_a_resumed_loop_left_early_ends_its_epoch_too():
    x = np.arange(20)
    batches, twin = (minibatches(x, batch_size=6, rng=2) for _ in range(2))
    batches.load_state_dict({"seed": 2, "epoch": 0, "position": 1})
    next(iter(batches))
    flat(twin)
    assert rows(batches) == rows(twin)


def test_pickles_with_its_state():
    batches = minibatches(np.arange(9), batch_size=2, rng=0)
    list(batches)
    assert rows(pickle.loads(pickle.dumps(batches))) == rows(batches)


def test_prints_what_it_is():
    batches = minibatches(np.arange(9), np.arange(9), batch_size=2, rng=0)
    assert repr(batches) == "Minibatches(arrays=2, length=9, batch_size=2, seed=0, epoch=0, position=0)"


@pytest.mark.parametrize("counts", [[50, 50], [90, 10], [97, 2, 1], [33, 33, 34], [7] * 11, [1] * 23, [40]])
@pytest.mark.parametrize("size", [1, 4, 10, 16, 33, 1000])
def test_stratified_batches_have_even_shares(counts, size):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)) * 5 - 3, counts))
    batches = minibatches(labels, batch_size=size, rng=1, stratify=labels)
    for _ in range(2):
        held = np.array([[np.sum(batch == c * 5 - 3) for c in range(len(counts))] for batch in batches])
        assert held.sum(0).tolist() == counts
        full = held[: sum(counts) // size]
        spread = full.max(0, initial=0) - full.min(0, initial=size)
        assert spread.max() <= 1
        shares = held.sum(1, keepdims=True) * np.array(counts) / sum(counts)
        assert np.abs(held - shares).max() < 1 + 1 / len(held)


def test_stratified_rows_are_in_random_order_within_and_between_batches():
    labels = np.repeat([0, 1], 50)
    x = np.arange(100)
    places = np.zeros((100, 4))
    batches = minibatches(x, batch_size=25, rng=0, stratify=labels)
    first_labels = []
    for _ in range(400):
        for number, batch in enumerate(batches):
            places[batch, number] += 1
            first_labels.append(labels[batch[0]])
    # binomial, 400 trials of 1/4: 6 standard deviations
    assert np.all(np.abs(places - 100) < 6 * np.sqrt(75))
    # half of the 1600 batches begin with either class
    assert abs(np.mean(first_labels) - 0.5) < 6 * 0.5 / 40


@pytest.mark.parametrize("other", [1, 4, 49])
def test_stratified_rows_of_a_class_meet_by_chance(other):
    """Rows 0 and `other` of 50 share a batch with probability (12.5 - 1) / 49, about 94 times in 400; 6 deviations."""
    batches = minibatches(np.arange(100), batch_size=25, rng=0, stratify=np.repeat([0, 1], 50))
    together = sum(0 in batch and other in batch for _ in range(400) for batch in batches)
    assert abs(together - 94) < 52


def test_stratified_batches_share_what_does_not_divide_by_chance():
    labels = np.repeat([0, 1], 50)
    batches = minibatches(labels, batch_size=30, rng=0, stratify=labels)
    epochs = [list(batches) for _ in range(40)]
    assert {int(epoch[0].sum()) for epoch in epochs} == {15}
    assert {int(epoch[3][0]) for epoch in epochs} == {0, 1}
    batches = minibatches(labels, batch_size=25, rng=0, stratify=labels)
    assert {int(next(iter(batches)).sum()) for _ in range(40)} == {12, 13}
    batches = minibatches(np.arange(10), batch_size=4, rng=0, stratify=np.arange(10))
    assert set(flat(list(batches)[-1:] for _ in range(100)).ravel().tolist()) == set(range(10))


def test_labels_of_any_integer_dtype_give_the_same_batches():
    labels = np.random.default_rng(0).integers(0, 2, 50)
    x = np.arange(50)
    expected = rows(minibatches(x, batch_size=8, rng=0, stratify=labels))
    for dtype in (bool, np.uint8, np.int16, ">i4", np.uint64):
        assert rows(minibatches(x, batch_size=8, rng=0, stratify=labels.astype(dtype))) == expected
    assert rows(minibatches(x, batch_size=8, rng=0)) != expected


@pytest.fixture
def cupy(monkeypatch):
    return install(monkeypatch)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_cupy_arrays_give_the_rows_that_numpy_arrays_give(cupy, options):
    x = np.arange(60).reshape(20, 3)
    if "stratify" in options:
        options = {"stratify": np.arange(20) % 3}
    host = minibatches(x, batch_size=6, rng=2, **options)
    device = minibatches(cupy.ndarray(x, cupy.device), batch_size=6, rng=2, **options)
    for _ in range(2):
        epoch = list(device)
        assert {type(batch) for batch in epoch} == {cupy.ndarray}
        assert [batch.host.tolist() for batch in epoch] == rows(host)
    assert cupy.device.uploads == (0 if "shuffle" in options else 2)  # one an epoch
    assert cupy.device.reads == 0


def test_the_callers_device_is_current_between_batches(cupy):
    for _ in minibatches(cupy.ndarray(np.arange(9), cupy.device), batch_size=2):
        assert cupy.device.depth == 0


def test_labels_on_a_device_are_fetched_once(cupy):
    labels = np.arange(20) % 3
    x = cupy.ndarray(np.arange(20), cupy.device)
    batches = minibatches(x, batch_size=6, rng=2, stratify=cupy.ndarray(labels, cupy.device))
    list(batches), list(batches)
    assert (cupy.device.reads, cupy.device.uploads) == (1, 2)
    batches.load_state_dict({"seed": 2, "epoch": 0, "position": 0})
    expected = rows(minibatches(x.host, batch_size=6, rng=2, stratify=labels))
    assert [batch.host.tolist() for batch in batches] == expected


def test_mixed_libraries_and_devices_are_refused(cupy):
    x = np.arange(3)
    message = "minibatches: arrays must come from one library, got arrays[0] of numpy and arrays[1] of cupy"
    with refused(TypeError, message):
        minibatches(x, cupy.ndarray(x, cupy.device), batch_size=1)
    message = "minibatches: arrays must be on one device, got arrays[0] on device 0 and arrays[1] on device 1"
    with refused(ValueError, message):
        minibatches(cupy.ndarray(x, cupy.device), cupy.ndarray(x, Device(1)), batch_size=1)


X = np.arange(10)


@pytest.mark.parametrize(
    ("arrays", "options", "kind", "message"),
    [
        ([], {}, TypeError, "arrays must be at least one array, got none"),
        ([[1, 2]], {}, TypeError, "arrays[0] must be a NumPy or CuPy array, got list"),
        ([X, "ab"], {}, TypeError, "arrays[1] must be a NumPy or CuPy array, got str"),
        ([np.array(1)], {}, ValueError, "arrays[0] must have at least one axis, got shape ()"),
        ([X, X[:9], X], {}, ValueError, "arrays must have equal lengths, got 10, 9, 10"),
        ([X], {"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
        ([X], {"batch_size": 2.0}, TypeError, "batch_size must be an integer >= 1, got float"),
        ([X], {"rng": -1}, ValueError, "rng must be None, an integer >= 0 or a numpy.random.Generator, got -1"),
        ([X], {"rng": "a"}, TypeError, "rng must be None, an integer >= 0 or a numpy.random.Generator, got str"),
        ([X], {"rng": True}, TypeError, "rng must be None, an integer >= 0 or a numpy.random.Generator, got bool"),
        ([X], {"shuffle": 1}, TypeError, "shuffle must be True or False, got int"),
        ([X], {"drop_last": None}, TypeError, "drop_last must be True or False, got NoneType"),
        ([X], {"stratify": [0] * 10}, TypeError, "stratify must be a NumPy or CuPy array, got list"),
        ([X], {"stratify": X / 2}, TypeError, "stratify must be integer labels, got dtype float64"),
        ([X], {"stratify": X[:9]}, ValueError, "stratify must have shape (10,), got (9,)"),
        ([X], {"stratify": X[:, None]}, ValueError, "stratify must have shape (10,), got (10, 1)"),
        (
            [X],
            {"stratify": X, "shuffle": False},
            ValueError,
            "stratify must be None when shuffle is False, got numpy.ndarray of shape (10,) and dtype int64",
        ),
    ],
)
def test_arguments_are_refused(arrays, options, kind, message):
    with refused(kind, f"minibatches: {message}"):
        minibatches(*arrays, **({"batch_size": 2} | options))


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        (3, TypeError, "state must be a dict, got int"),
        ({"seed": 0}, ValueError, "state must have the keys ['seed', 'epoch', 'position'], got ['seed']"),
        ({"seed": 0, "epoch": 0, "position": 4}, ValueError, "position must be an integer in 0..3, got 4"),
        ({"seed": 0, "epoch": -1, "position": 0}, ValueError, "epoch must be an integer >= 0, got -1"),
        ({"seed": 0.0, "epoch": 0, "position": 0}, TypeError, "seed must be an integer >= 0, got float"),
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(state, kind, message):
    batches = minibatches(X, batch_size=3, rng=5)
    with refused(kind, f"Minibatches.load_state_dict: {message}"):
        batches.load_state_dict(state)
    assert batches.state_dict() == {"seed": 5, "epoch": 0, "position": 0}


def test_on_a_gpu():
    real = pytest.importorskip("cupy")
    if not real.is_available():
        pytest.skip("no CUDA device")
    x, labels = np.arange(3000).reshape(1000, 3), np.arange(1000) % 7
    host = minibatches(x, labels, batch_size=64, rng=0, stratify=labels)
    device = minibatches(real.asarray(x), real.asarray(labels), batch_size=64, rng=0, stratify=real.asarray(labels))
    for (xb, yb), (xd, yd) in zip(host, device, strict=True):
        np.testing.assert_array_equal(xd.get(), xb)
        np.testing.assert_array_equal(yd.get(), yb)
