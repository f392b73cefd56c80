"""Work in parts: nothing is left out or done twice, whatever the count, and whatever goes wrong lets others in again."""

import functools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from fastloa_kernels.engines.numba_cpu import launching, threads
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.kinds import array
from fastloa_kernels.engines.numba_cpu.launching import LENT, SHARE, Kernel
from numba.core import types

import fastloa as fl

UNIT = 64


def counting(arguments, first, last, room):
    counts, starts = arguments
    if room.size:
        room[:] = first
    for i in range(first, last):
        counts[i] += 1
        starts[i] = room[i % room.size] if room.size else first


@pytest.fixture(scope="module", params=[False, True], ids=["without scratch", "with scratch"])
def kernel(request):
    arguments = types.Tuple([array(types.int64, written=True)] * 2)
    return Kernel(jitable(counting), arguments, unit=UNIT, scratch=request.param)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [0, 1, UNIT - 1, UNIT, UNIT + 1, 7 * UNIT, 7 * UNIT + 1, 100 * UNIT - 1, 50_000])
def test_each_place_is_in_one_part(kernel, parts, count):
    counts, starts = np.zeros(count, np.int64), np.full(count, -1)
    kernel._run_in_parts(parts, count, (counts, starts))
    assert (counts == 1).all()
    begun = np.unique(starts)
    assert (begun % UNIT == 0).all()
    assert len(begun) <= parts
    if count >= parts * UNIT * parts:
        assert len(begun) == parts


def test_small_work_wakes_no_thread(kernel, monkeypatch):
    monkeypatch.setattr(launching, "enter", lambda: pytest.fail("threads are asked for"))
    counts = np.zeros(launching.PARALLEL - 1, np.int64)
    kernel(counts.size, counts.size, (counts, counts.copy()))
    assert (counts == 1).all()


def test_no_thread_has_too_little(kernel, monkeypatch):
    monkeypatch.setattr(launching, "enter", lambda: 1000)
    monkeypatch.setattr(launching, "leave", lambda: None)
    counts, starts = np.zeros(launching.PARALLEL, np.int64), np.zeros(launching.PARALLEL, np.int64)
    kernel(counts.size, counts.size, (counts, starts))
    assert (counts == 1).all()
    assert len(np.unique(starts)) == launching.PARALLEL // SHARE


@pytest.mark.parametrize("where", ["enter", "take_rooms", "run"])
def test_an_interruption_lets_others_in_again(kernel, where, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    if where == "take_rooms" and not kernel._scratch:
        pytest.skip("takes no rooms")
    places = {"enter": (numba, "get_num_threads"), "take_rooms": (launching, "take_rooms"), "run": (kernel, "run")}
    monkeypatch.setattr(*places[where], interrupt)
    counts = np.zeros(launching.PARALLEL, np.int64)
    with pytest.raises(KeyboardInterrupt):
        kernel(counts.size, counts.size, (counts, counts.copy()))
    monkeypatch.undo()
    assert threads.enter() >= 1
    held = threads._entered._is_owned()
    assert held == (numba.get_num_threads() > 1)
    if held:
        threads.leave()
    assert not threads._entered._is_owned()


def test_rooms_are_apart():
    rooms = [launching.take_rooms(3) for _ in range(4)]
    assert all(room.size == 3 * LENT for room in rooms)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(rooms) for b in rooms[:i])
    for room in rooms:
        launching.give_rooms(room)
    assert launching.take_rooms(3) is rooms[-1]


@pytest.mark.parametrize(("size", "lets"), [(4_096, False), (4_097, True), (65_535, True), (70_000, True)])
@pytest.mark.parametrize("inputs", [1, 2])
def test_longer_calls_let_other_threads_run(size, lets, inputs):
    # Python takes the lock from no thread, as long as this test takes: who runs meanwhile was let.
    ready, ran, x = threading.Event(), [], np.ones(size, np.float32)
    out = np.empty_like(x)
    call = functools.partial(fl.mish, x, out=out) if inputs == 1 else functools.partial(fl.mish.backward, x, x, out=out)
    call()
    other = threading.Thread(target=lambda: ready.wait() and ran.append(True))
    other.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e4)
    try:
        ready.set()
        for _ in range(1_000_000 if lets else 2_000):
            call()
            if ran:
                break
        assert bool(ran) == lets
    finally:
        sys.setswitchinterval(before)
        other.join()


def test_threads_that_call_at_once_do_not_disturb_each_other():
    arrays = [np.random.default_rng(i).normal(size=20_000).astype(np.float32) for i in range(8)]
    expected = [fl.gelu(x) for x in arrays]

    def work(i):
        return all((fl.gelu(arrays[i]) == expected[i]).all() for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
