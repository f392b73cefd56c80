"""The CUDA C++ kernels as machine code, without a GPU: registers, spills, the width of accesses, and the arithmetic."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import driver, source
from fastloa_kernels.engines.cupy_native.source import Source
from fastloa_kernels.formulas import activations, losses
from fastloa_kernels.formulas.optimizer_orthogonal import MUON_MOMENTUM

from tests import cubins
from tests.cubins import SIZE, Row, count, figures_of, float64_work, kernels_of, map_row
from tests.dependencies import inputs_used
from tests.shim import catalogue

EVERY = 12  # of the cells that have not changed since the ledger was written one in so many is compiled again

MISSING = cubins.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch):
    monkeypatch.setenv(driver.CACHE, str(cubins.CACHE))


def wide(row, instructions):
    """Each array is read, and each output written, 16 bytes at a time; only the rest of an array is not."""
    for access, dtypes in (("LDG", row.reads), ("STG", row.writes)):
        moved = [row.lanes * SIZE[dtype] for dtype in dtypes]  # by a thread, of each array
        whole, half = sum(size // 16 for size in moved), sum(size % 16 == 8 for size in moved)
        tiles = max(1, count(instructions, f"{access}.E.128") // max(1, whole))
        assert count(instructions, f"{access}.E.128") == tiles * whole
        if half:
            assert count(instructions, f"{access}.E.64") >= tiles * half


@pytest.mark.parametrize("name", cubins.cells())
def test_kernels_are_lean_and_wide_and_no_worse_than_the_ledger_says(name):
    cell, before = cubins.cells()[name], cubins.ledger()["cells"].get(name, cubins.NEW)
    rows = cell.rows()
    if cell.digest() == before["digest"] and list(cubins.cells()).index(name) % EVERY:
        assert rows.keys() == before["kernels"].keys()  # whose figures are the ledger's
        assert cubins.beyond(rows, before["kernels"]) == before["beyond"]
        return
    kernels = kernels_of([row.text for row in rows.values()], cell.arch)
    figures = {label: figures_of(kernels[row.text.names[0]], wide=row.wide) for label, row in rows.items()}
    for row in rows.values():
        if row.lanes:
            wide(row, kernels[row.text.names[0]][3])
    same = cubins.ledger()["compiler"] == cubins.compiler()
    assert cubins.faults(rows, figures, before, compared=same) == {}


def test_the_ledger_names_no_kernel_that_there_is_not():
    for name in cubins.ledger()["cells"].keys() & cubins.cells().keys():
        assert cubins.ledger()["cells"][name]["kernels"].keys() <= cubins.cells()[name].rows().keys()
    assert cubins.ledger()["cells"].keys() <= cubins.cells().keys()


@pytest.mark.parametrize("dtype", catalogue.DTYPES)
@pytest.mark.parametrize("arch", cubins.ARCHES)
def test_kernels_over_many_arrays_are_as_wide_as_of_one(dtype, arch):
    pairs = [(catalogue.many_source(*one, dtype), map_row(*one, dtype).text) for one in catalogue.many_forms()][::EVERY]
    many, single = (kernels_of(list(texts), arch) for texts in zip(*pairs, strict=True))
    for text, other in pairs:
        instructions, alone = many[text.names[0]][3], single[other.names[0]][3]
        # LD and ST would be of any memory: that addresses from a table are the device's, the compiler must be told.
        for prefix in ("LDG.E.128", "STG.E.128", "LD.", "ST."):
            assert count(instructions, prefix) == count(alone, prefix)
        assert count(instructions, "LDG.E.128") > 0
        assert float64_work(instructions) == float64_work(alone)


def test_nothing_is_contracted_or_flushed():
    for record, name in ((losses.MSE_LOSS, "weighted_value"), (activations.LEAKY_RELU, "backward")):
        text = map_row(record, name, "float32").text
        ((_, _, _, instructions),) = kernels_of([text], "sm_90").values()
        assert count(instructions, "FMUL") > 0
        assert count(instructions, "FFMA") == 0
        assert not {opcode for opcode in instructions if ".FTZ" in opcode}


def test_the_checks_can_fail():
    # A sum in float64 of a local array that is indexed at run time: everything that the checks look for.
    text = """
extern "C" __global__ void heavy(float* x, int n) {
  double values[64];
  for (int i = 0; i < n; ++i) values[i % 64] = x[i] * 0.1;
  x[0] = float(values[n % 64] / x[1]);
}
"""
    heavy = Source(text, ("heavy",))
    kernel = kernels_of([heavy], "sm_90")["heavy"]
    figures = figures_of(kernel, wide=False)
    budget = Row(heavy)
    assert figures.stack >= 512
    assert figures.spilled > 0
    assert figures.float64 > 0
    assert len(budget.beyond(figures)) >= 3
    clean = figures._replace(registers=64, stack=0, spilled=0, float64=0)
    assert budget.beyond(clean) == []
    for name, value in (("registers", 65), ("stack", 8), ("spilled", 1), ("float64", 1)):
        (reason,) = budget.beyond(clean._replace(**{name: value}))
        assert reason.startswith(f"{value} ")
    with pytest.raises(AssertionError):
        wide(Row(heavy, ("float32",), (), 4), kernel[3])
    before = figures._replace(registers=figures.registers - 1, loads=1)
    worse = [f"registers {before.registers} -> {figures.registers}", "loads 1 -> 0"]
    assert figures.worse_than(before) == worse
    rows, now, reasons = {"heavy": budget}, {"heavy": figures}, {"heavy": budget.beyond(figures)}
    assert cubins.faults(rows, now, cubins.NEW) == reasons  # what is new must be lean
    known = {"kernels": now, "beyond": reasons}
    assert cubins.faults(rows, now, known) == {}
    assert cubins.faults(rows, now, known | {"kernels": {"heavy": before}}) == {"heavy": worse}
    assert cubins.faults(rows, now, known | {"kernels": {"heavy": before}}, compared=False) == {}
    assert cubins.faults(rows, now, {"kernels": {"heavy": clean}, "beyond": {}}, compared=False) == reasons


def test_a_form_reads_the_arrays_that_its_formula_depends_on():
    assert inputs_used(forms.form(losses.MSE_LOSS, "weighted_grad"), 0) == [0, 1, 2]
    assert inputs_used(forms.form(activations.RELU, "backward"), 0) == [0, 1]
    assert inputs_used(forms.form(MUON_MOMENTUM, "step"), len(MUON_MOMENTUM.parameters)) == [0, 1]


def test_text_that_does_not_compile_says_where():
    with pytest.raises(RuntimeError, match=r"fastloa.cu\(1\): error: identifier \"nonsense\" is undefined"):
        driver.compiled("nonsense x;", "sm_90")


def test_the_newest_architecture_that_a_device_runs_is_chosen():
    assert driver.architecture(90) == "sm_90"
    assert driver.architecture(87) in {"sm_86", "sm_87"}
    with pytest.raises(RuntimeError, match=r"^NVRTC .* has no code for compute capability 3\.5: install a newer cupy$"):
        driver.architecture(35)


@pytest.fixture
def launches(monkeypatch, tmp_path):
    """CuPy with a device that loads code and keeps what it is given to launch."""
    import cupy

    given = SimpleNamespace(device=0, loaded=[], launched=[], straight=[])

    class Function:
        def __init__(self, name):
            self.name, self.ptr = name, 7000 + given.device

        def __call__(self, *arguments):
            given.launched.append((self.name, *arguments))

    def launch(handle, *rest):
        *grid, stream, parameters, extra = rest
        struct = ctypes.string_at(ctypes.c_void_p.from_address(parameters).value, 8)
        given.straight.append((handle, tuple(grid), stream, struct, extra))

    class Module:
        def load(self, code):
            given.loaded.append(code)

        def get_function(self, name):
            return Function(name)

    monkeypatch.setenv(driver.CACHE, str(tmp_path))
    monkeypatch.setattr(cupy.cuda.function, "Module", Module)
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: given.device)
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    monkeypatch.setattr(cupy.cuda, "get_current_stream", lambda: SimpleNamespace(ptr=11))
    monkeypatch.setattr("cupy_backends.cuda.api.driver.launchKernel", launch)
    monkeypatch.setattr(driver._Kernel, "_rooms", driver._Rooms())
    monkeypatch.setattr(cupy.cuda, "Device", lambda number: SimpleNamespace(compute_capability=("90", "80")[number]))
    caches = driver._module, driver._capability
    for cache in caches:
        cache.cache_clear()
    yield given
    for cache in caches:
        cache.cache_clear()


def test_a_kernel_is_compiled_once_for_each_device_and_given_its_struct_by_value(launches, tmp_path):
    (kernel,) = driver.CupyDriver().load(source.finish_source("float32"))
    for device in (0, 1):
        launches.device = device
        kernel(3, 256, b"eight by")
    assert [code[:4] for code in launches.loaded] == [b"\x7fELF"] * 2
    assert len(list(tmp_path.glob("*.cubin"))) == 2
    assert len(launches.launched) == 2
    name, blocks, threads, (argument,), shared = launches.launched[0]
    assert (blocks, threads, shared) == ((3,), (256,), 0)
    assert name == source.finish_source("float32").names[0]
    assert (argument.size, argument.tobytes()) == (1, b"eight by")
    from cupy.cuda.function import CNumpyArray

    CNumpyArray(argument)  # what CuPy makes of it at a launch


def test_launches_after_a_threads_first_go_straight_to_the_driver(launches):
    (kernel,) = driver.CupyDriver().load(source.finish_source("float32"))
    kernel(3, 256, b"eight by")
    assert launches.straight == []
    kernel(4, 128, b"another!", 512)
    kernel(5, 64, b"the last")
    assert launches.straight == [
        (7000, (4, 1, 1, 128, 1, 1, 512), 11, b"another!", 0), (7000, (5, 1, 1, 64, 1, 1, 0), 11, b"the last", 0)
    ]  # fmt: skip
    for device in (1, 0, 1):  # a device's first, too, is CuPy's
        launches.device = device
        kernel(1, 32, b"eight by")
    assert [handle for handle, *_ in launches.straight[2:]] == [7000, 7001]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(kernel, 1, 32, b"eight by").result()
    assert (len(launches.launched), len(launches.straight)) == (3, 4)


def test_code_is_kept_on_disk_and_read_again_unless_it_is_broken(launches, monkeypatch, tmp_path):
    text = source.finish_source("float64").text
    code = driver.cubin(text, "sm_90")
    monkeypatch.setattr(driver, "compiled", lambda *_: b"compiled again")
    assert driver.cubin(text, "sm_90") == code
    assert driver.cubin(text + "\n", "sm_90") == b"compiled again"
    (kept,) = (path for path in tmp_path.glob("*.cubin") if len(path.read_bytes()) > 100)
    kept.write_bytes(kept.read_bytes()[:-1])
    assert driver.cubin(text, "sm_90") == b"compiled again"


def test_a_cache_that_cannot_be_written_costs_nothing_else(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv(driver.CACHE, str(blocked / "folder"))
    monkeypatch.setattr(driver, "compiled", lambda *_: b"code")
    assert driver.cubin("text", "sm_90") == b"code"


def test_the_cache_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv(driver.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(driver.sys, "platform", "linux")
    assert driver.cache_directory() == tmp_path / "fastloa"
    monkeypatch.setattr(driver.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert driver.cache_directory() == tmp_path / "local" / "fastloa" / "cache"


def test_pointers_are_the_devices():
    array = SimpleNamespace(data=SimpleNamespace(ptr=4096))
    assert driver.CupyDriver.pointer(None, array) == 4096
    assert np.dtype((np.void, 24)).itemsize == 24
