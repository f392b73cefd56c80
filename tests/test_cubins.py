"""The CUDA C++ kernels as machine code, without a GPU: registers, spills, the width of accesses, and the arithmetic."""

import functools
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import driver, source
from fastloa_kernels.engines.cupy_native.source import Source
from fastloa_kernels.formulas import activations, losses, totals

from tests.shim import catalogue

REGISTERS = 64  # what lets 1,024 threads live on a multiprocessor, and enough bytes be in flight
BATCH = 16
CACHE = Path(tempfile.gettempdir()) / "fastloa-cubins"


def tool(name):
    """A program of the CUDA toolkit: on the path, or in the wheel that brought it."""
    spec = importlib.util.find_spec("nvidia")
    places = [path for root in (spec.submodule_search_locations if spec else ()) for path in Path(root).glob("*/bin")]
    return next((found for place in (None, *places) if (found := shutil.which(name, path=place))), None)


def missing():
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except (ImportError, RuntimeError) as reason:
        return f"NVRTC is not installed: {reason}"
    lacking = [name for name in ("cuobjdump", "nvdisasm") if tool(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else None


MISSING = missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch):
    monkeypatch.setenv(driver.CACHE, str(CACHE))


@functools.cache
def disassembled(text, arch):
    """For each kernel: its registers, stack and local memory, and how often it holds each instruction."""
    code = driver.cubin(text, arch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.cubin"
        path.write_bytes(code)
        usage = subprocess.run([tool("cuobjdump"), "-res-usage", path], capture_output=True, text=True, check=True)
        sass = subprocess.run([tool("nvdisasm"), "-c", path], capture_output=True, text=True, check=True).stdout
    numbers = r"Function (\w+):\s*REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)"
    kernels = {name: (*map(int, rest), Counter()) for name, *rest in re.findall(numbers, usage.stdout + usage.stderr)}
    for section in re.split(r"\.section\s+\.text\.", sass)[1:]:
        name = re.match(r"\w+", section).group()
        kernels[name][3].update(re.findall(r"^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", section, re.M))
    return kernels


def kernels_of(sources, arch):
    """Compile in batches, and give every kernel's figures by its name."""
    found = {}
    for i in range(0, len(sources), BATCH):
        batch = sources[i : i + BATCH]
        found |= disassembled("".join(s.text for s in batch), arch)
    assert set(found) == {name for s in sources for name in s.names}
    return found


def lean(name, figures, most=REGISTERS):
    registers, stack, local, instructions = figures
    assert (stack, local) == (0, 0), f"{name} spills"
    assert not {opcode for opcode in instructions if opcode.startswith(("LDL", "STL"))}, f"{name} spills"
    # Where a block has a multiprocessor's shared memory to itself, its 12 to 24 warps may have all registers.
    assert registers <= (168 if name.endswith("_strip") else most), f"{name} takes {registers} registers"


def count(instructions, prefix):
    return sum(number for opcode, number in instructions.items() if opcode.startswith(prefix))


def float64_work(instructions):
    return {
        opcode for opcode in instructions if re.match(r"D(ADD|MUL|FMA|SETP|MNMX)|MUFU\.\w*64|\w+(\.\w+)*\.F64", opcode)
    }


MAPS = [
    pytest.param(record, name, id=f"{key}-{name}")
    for key, record in catalogue.records(*catalogue.MAPPED).items()
    for name in catalogue.forms_of(record)
]


def map_text(record, name, dtype, stored=None, *, strided=False):
    form = forms.form(record, name)
    label, count_of = source.map_label(record, name), len(record.parameters)
    if form.summed:
        return source.sum_source(label, form, count_of, dtype, stored)
    return source.map_source(label, form, count_of, dtype, stored, strided=strided)


both = pytest.mark.parametrize("dtype", catalogue.DTYPES)
every_arch = pytest.mark.parametrize("arch", ["sm_80", "sm_90"])


@pytest.mark.parametrize("key", catalogue.records(*catalogue.MAPPED))
@both
@every_arch
def test_maps_and_sums_are_lean_and_wide(key, dtype, arch):
    record = catalogue.records(*catalogue.MAPPED)[key]
    found = catalogue.forms_of(record)
    texts = {name: map_text(record, name, dtype) for name in found}
    kernels = kernels_of(list(texts.values()), arch)
    for name, text in texts.items():
        form, figures = found[name], kernels[text.names[0]]
        crowded = form.summed and dtype == "float64" and form.inputs + form.outputs > 6
        lean(text.names[0], figures, 96 if crowded else REGISTERS)
        # Each array is read, and each output written, 16 bytes at a time; only the rest of an array is not.
        vectors = 1 if form.inputs > 1 else 2
        assert count(figures[3], "LDG.E.128") == vectors * form.inputs
        assert count(figures[3], "STG.E.128") == vectors * (form.outputs - form.summed)
        if dtype == "float32" and not form.summed:
            assert not float64_work(figures[3])


@pytest.mark.parametrize("key", catalogue.records(*catalogue.MAPPED))
@pytest.mark.parametrize(("half", "arch"), [("float16", "sm_90"), ("bfloat16", "sm_80")])
def test_maps_and_sums_of_16_bits_are_lean_and_wide(key, half, arch):
    record = catalogue.records(*catalogue.MAPPED)[key]
    found = catalogue.forms_of(record)
    texts = {(n, stored): map_text(record, n, "float32", stored)
             for n in found for stored in catalogue.halved(record, n, half)}  # fmt: skip
    kernels = kernels_of(list(texts.values()), arch)
    for (name, stored), text in texts.items():
        form, figures = found[name], kernels[text.names[0]]
        lean(text.names[0], figures)
        lanes, vectors = 4 if form.inputs > 4 - form.summed else 8, 2 if form.inputs == 1 and not form.summed else 1
        # The rest of an array is read one by one, which shows how many are: a formula may have no use for one of them.
        instructions, each = figures[3], lanes * vectors
        read = instructions["LDG.E.U16"] // each, -((form.leading - instructions["LDG.E"]) // each)
        written = [stored[form.inputs :].count(dtype) for dtype in (half, "float32")]
        for access, (narrow, wide) in (("LDG", read), ("STG", written)):
            whole = narrow * (lanes // 8) + wide * (lanes // 4)  # 16 bytes hold 8 of 16 bits, and 4 of float32
            assert count(instructions, f"{access}.E.128") == vectors * whole
            if access == "LDG" or not form.summed:  # whose sums are float64
                assert count(instructions, f"{access}.E.64") == (narrow if lanes == 4 else 0)
        assert sum(read) or form.formula is totals.zero
        if not form.summed:
            assert not float64_work(instructions)


@both
@every_arch
def test_maps_and_sums_of_many_arrays_are_as_lean_and_wide_as_of_one(dtype, arch):
    texts = {(text := catalogue.many_source(*one, dtype)): map_text(*one, dtype) for one in catalogue.many_forms()}
    many, single = kernels_of(list(texts), arch), kernels_of(list(texts.values()), arch)
    for text, other in texts.items():
        figures, alone = many[text.names[0]], single[other.names[0]][3]
        lean(text.names[0], figures)
        # LD and ST would be of any memory: that addresses from a table are the device's, the compiler must be told.
        for prefix in ("LDG.E.128", "STG.E.128", "LD.", "ST."):
            assert count(figures[3], prefix) == count(alone, prefix)
        assert count(figures[3], "LDG.E.128") > 0
        assert float64_work(figures[3]) == float64_work(alone)


@both
def test_strided_maps_are_lean(dtype):
    records = catalogue.records(*catalogue.MAPPED).values()
    widest = [list(catalogue.forms_of(record))[-1] for record in records]
    sources = [map_text(record, name, dtype, strided=True) for record, name in zip(records, widest, strict=True)]
    for name, figures in kernels_of(sources, "sm_90").items():
        lean(name, figures)
        if dtype == "float32":
            assert not float64_work(figures[3])


every_stored = pytest.mark.parametrize(
    ("dtype", "half"), [("float32", None), ("float64", None), ("float32", "float16"), ("float32", "bfloat16")]
)


@every_stored
def test_rows_are_lean(dtype, half):
    for name, figures in kernels_of(list(catalogue.row_sources(dtype, half)), "sm_90").items():
        lean(name, figures)


LARGEST = {"lanes4", "lanes32", "span256", "span1024", "strip"}  # those between only have fewer threads


@every_stored
@pytest.mark.parametrize("suffix", sorted(LARGEST))
def test_row_losses_are_lean(dtype, half, suffix):
    for name, figures in kernels_of(list(catalogue.row_loss_sources(dtype, {suffix}, half)), "sm_90").items():
        lean(name, figures)


@both
@pytest.mark.parametrize("suffix", sorted(LARGEST))
def test_losses_of_vectors_are_lean(dtype, suffix):
    for name, figures in kernels_of(list(catalogue.vector_loss_sources(dtype, {suffix})), "sm_90").items():
        lean(name, figures)


@both
@every_arch
def test_the_other_kernels_are_lean(dtype, arch):
    for name, figures in kernels_of(list(catalogue.other_sources(dtype)), arch).items():
        lean(name, figures)


def test_nothing_is_contracted_or_flushed():
    for record, name in ((losses.MSE_LOSS, "weighted_value"), (activations.LEAKY_RELU, "backward")):
        text = map_text(record, name, "float32")
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
    figures = kernels_of([Source(text, ("heavy",))], "sm_90")["heavy"]
    with pytest.raises(AssertionError, match="heavy spills"):
        lean("heavy", figures)
    assert float64_work(figures[3])
    assert count(figures[3], "LDG.E.128") == 0


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

    given = SimpleNamespace(device=0, loaded=[], launched=[])

    class Module:
        def load(self, code):
            given.loaded.append(code)

        def get_function(self, name):
            return lambda *arguments: given.launched.append((name, *arguments))

    monkeypatch.setenv(driver.CACHE, str(tmp_path))
    monkeypatch.setattr(cupy.cuda.function, "Module", Module)
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: given.device)
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    monkeypatch.setattr(cupy.cuda, "Device", lambda number: SimpleNamespace(compute_capability=("90", "80")[number]))
    driver._module.cache_clear()
    yield given
    driver._module.cache_clear()


def test_a_kernel_is_compiled_once_for_each_device_and_given_its_struct_by_value(launches, tmp_path):
    (kernel,) = driver.CupyDriver().load(source.finish_source("float32"))
    for device in (0, 0, 1):
        launches.device = device
        kernel(3, 256, b"eight by")
    assert [code[:4] for code in launches.loaded] == [b"\x7fELF"] * 2
    assert len(list(tmp_path.glob("*.cubin"))) == 2
    assert len(launches.launched) == 3
    name, blocks, threads, (argument,) = launches.launched[0]
    assert (blocks, threads) == ((3,), (256,))
    assert name == source.finish_source("float32").names[0]
    assert (argument.size, argument.tobytes()) == (1, b"eight by")
    from cupy.cuda.function import CNumpyArray

    CNumpyArray(argument)  # what CuPy makes of it at a launch


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
