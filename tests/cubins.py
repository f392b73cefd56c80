"""The CUDA C++ kernels as machine code: what is read from it, and the ledger that it is held to.

``python -m tests.cubins`` measures what has changed and writes it into the ledger, but for what got worse and for what is
new and beyond its budget, which take ``--worse``. An interrupted run keeps what it has. It needs no GPU, but the extras
``cuda13`` and ``gpu-checks``. ``python benchmarks/gpu.py`` tells docs/gpu.md what is beyond its budget.
"""

import argparse
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import tqdm
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import driver, source
from fastloa_kernels.records import RowLoss, Step

from tests.dependencies import inputs_used
from tests.shim import catalogue

CACHE = Path(tempfile.gettempdir()) / "fastloa-cubins"  # and not among the user's own
LEDGER = Path(__file__).with_name("cubins.json")
NEW = {"digest": None, "kernels": {}, "beyond": {}}  # a cell that the ledger does not have
BATCH = 16
REGISTERS = 64  # what lets 1,024 threads live on a multiprocessor, and enough bytes be in flight
STRIDED = {"float32": 96, "float64": 128}  # each of 4 elements has a place of 64 bits in every array
CROWDED = 96  # for float64 sums of so many arrays that their elements alone take most of 64
BENT = 84, 32  # registers and stack for losses with a float64 formula for each row, whose divisions call a function
# Statements in a text: formulas beyond keep more numbers alive than 64 registers hold, in float64 or 8 lanes.
LONG = 180
LENGTHY = 80, 32  # and what those may have of registers and stack
OF_BLOCKS = 168  # where a block has a multiprocessor's shared memory to itself, its 12 to 24 warps may have all
OF_SEQUENCES = 80  # where there are as many blocks as sequences, which are few, all of each may be resident anyway
ARCHES = ("sm_80", "sm_90")
HALVES = (("float16", "sm_90"), ("bfloat16", "sm_80"))
STORED = (("float32", None), ("float64", None), ("float32", "float16"), ("float32", "bfloat16"))
STRIPS = {"sm_80": "strip1", "sm_90": "strip8"}  # of one block, and of the largest cluster
SIZE = source.SIZES


class Figures(NamedTuple):
    """What the ledger holds of a kernel; the first four may only fall, and the others only rise."""

    registers: int
    stack: int
    spilled: int
    float64: int
    loads: int
    stores: int

    def worse_than(self, before):
        """Name what got worse."""
        return [
            f"{name} {then} -> {now}"
            for i, (name, then, now) in enumerate(zip(self._fields, before, self, strict=True))
            if (now > then if i < 4 else now < then)
        ]


@dataclass(frozen=True)
class Row:
    """A kernel's text, and the dtypes of the arrays that it reads and writes 16 bytes at a time, if it does."""

    text: source.Source
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    lanes: int = 0
    wide: bool = True  # whether float64 is in it by right
    registers: int = REGISTERS
    stack: int = 0  # bytes

    def beyond(self, figures):
        """Say in what figures are beyond this kernel's budget."""
        exceeded = {
            f"{figures.registers} registers": figures.registers > self.registers,
            f"{figures.stack} bytes on its stack": figures.stack > self.stack,
            f"{figures.spilled} spilled": figures.spilled > self.stack,
            f"{figures.float64} instructions in float64": figures.float64 > 0,
        }
        return [reason for reason, is_so in exceeded.items() if is_so]


@dataclass(frozen=True)
class Cell:
    """Kernels that are compiled together."""

    name: str
    arch: str
    make: Callable[[], Iterable[Row]]

    def rows(self):
        """Give the kernels by their labels, numbered where two are equal."""
        given, found = Counter(), {}
        for row in self.make():
            label = re.sub(r"_[0-9a-f]{10}(?=_|$)", "", row.text.names[0])  # without the digest of its text
            given[label] += 1
            found[label if given[label] == 1 else f"{label} {given[label]}"] = row
        return found

    def digest(self):
        """Tell whether what is compiled has changed, and so may its figures."""
        texts = [row.text.text for row in self.make()]
        content = (*texts, *included(texts), *driver.FLAGS, self.arch)
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:16]


def included(texts):
    """Give the skeletons that texts hold, themselves or through others."""
    found, waiting = {}, list(texts)
    while waiting:
        for name in set(re.findall(r'#include "(.+)"', waiting.pop())) - found.keys():
            found[name] = source.headers()[name]
            waiting.append(found[name])
    return [found[name] for name in sorted(found)]


def tool(name):
    """Find a program of the CUDA toolkit: on the path, or in the wheel that brought it."""
    spec = importlib.util.find_spec("nvidia")
    places = [path for root in (spec.submodule_search_locations if spec else ()) for path in Path(root).glob("*/bin")]
    return next((found for place in (None, *places) if (found := shutil.which(name, path=place))), None)


def missing():
    """Say what is not installed of what this takes, if something is not."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except (ImportError, RuntimeError) as reason:
        return f"NVRTC is not installed: {reason}"
    lacking = [name for name in ("cuobjdump", "nvdisasm") if tool(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else None


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
    """Compile in batches, and give every kernel's registers, stack, local memory and instructions by its name.

    Two records may ask for the same kernel.
    """
    found, sources = {}, list({s.text: s for s in sources}.values())
    for i in range(0, len(sources), BATCH):
        batch = sources[i : i + BATCH]
        found |= disassembled("".join(s.text for s in batch), arch)
    assert set(found) == {name for s in sources for name in s.names}
    return found


def count(instructions, prefix):
    """How many instructions start so."""
    return sum(number for opcode, number in instructions.items() if opcode.startswith(prefix))


def float64_work(instructions):
    """Which instructions compute in float64."""
    return {
        opcode for opcode in instructions if re.match(r"D(ADD|MUL|FMA|SETP|MNMX)|MUFU\.\w*64|\w+(\.\w+)*\.F64", opcode)
    }


def figures_of(kernel, *, wide=True):
    """Give the figures of the ledger; of `wide` kernels float64 instructions do not count."""
    registers, stack, local, instructions = kernel
    spilled = local + count(instructions, "LDL") + count(instructions, "STL")
    float64 = 0 if wide else sum(instructions[opcode] for opcode in float64_work(instructions))
    return Figures(
        registers, stack, spilled, float64, count(instructions, "LDG.E.128"), count(instructions, "STG.E.128")
    )


def map_row(record, name, dtype, stored=None, *, strided=False):
    """Give the kernel of a form, of arrays of `dtype` or as they are `stored`."""
    form, parameters = forms.form(record, name), len(record.parameters)
    label = source.map_label(record, name)
    wide = dtype == "float64" or form.summed
    if strided:
        text = source.map_source(label, form, parameters, dtype, stored, strided=True)
        return Row(text, wide=wide, registers=STRIDED[dtype])
    make = source.sum_source if form.summed else source.map_source
    held = stored or (dtype,) * form.arrays
    inputs = form.inputs + source.parted(held)
    lanes = 16 // SIZE[dtype] if stored is None else 4 if inputs > 4 - form.summed else 8
    reads = tuple(held[i] for i in inputs_used(form, parameters))
    crowded = form.summed and dtype == "float64" and form.inputs + form.outputs > 6
    text = make(label, form, parameters, dtype, stored)
    lengthy = _long(text) and (dtype == "float64" or stored is not None)
    registers, stack = LENGTHY if lengthy else (CROWDED if crowded else REGISTERS, 0)
    return Row(text, reads, held[form.inputs :], lanes, wide, registers, stack)


def _long(text):
    return text.text.count(";") > LONG


def _maps(record, dtype):
    return (map_row(record, name, dtype) for name in catalogue.forms_of(record))


def _halved(record, half):
    for name in catalogue.forms_of(record):
        yield from (map_row(record, name, "float32", stored) for stored in catalogue.halved(record, name, half))
        if isinstance(record, Step):
            parted, stored = catalogue.in_parts(record, name, half)
            yield map_row(record, parted, "float32", stored)


def _strided(dtype):
    for record in catalogue.records(*catalogue.MAPPED).values():
        yield map_row(record, list(catalogue.forms_of(record))[-1], dtype, strided=True)


def _many(dtype):
    return (Row(catalogue.many_source(record, name, dtype)) for record, name in catalogue.many_forms())


def _many_halved(half):
    for record, name, stored in catalogue.many_halved(half):
        text = catalogue.many_source(record, name, "float32", stored)
        registers, stack = LENGTHY if _long(text) else (REGISTERS, 0)
        yield Row(text, wide=forms.form(record, name).summed, registers=registers, stack=stack)


def _texts(make, *arguments):
    for text in make(*arguments):
        registers, stack = BENT if text.names[0].startswith(_bent()) else (REGISTERS, 0)
        of_blocks = text.names[0].endswith(tuple(STRIPS.values()))
        yield Row(text, registers=OF_BLOCKS if of_blocks else registers, stack=stack)


def _rows(dtype, half, strip):
    texts = _texts(catalogue.row_sources, dtype, half)
    return (row for row in texts if "_strip" not in row.text.names[0] or row.text.names[0].endswith(strip))


def largest(arch):
    """Give the teams that are measured of most: those between only have fewer threads."""
    return "lanes4", "lanes32", "span256", "span1024", STRIPS[arch]


def _alignments(dtype):
    return (Row(text, registers=OF_SEQUENCES) for text in catalogue.alignment_sources(dtype))


@functools.cache
def _bent():
    return tuple(record.name for record in catalogue.records(RowLoss).values() if record.bent)


def _all():
    for key, record in catalogue.records(*catalogue.MAPPED).items():
        for dtype, arch in product(catalogue.DTYPES, ARCHES):
            yield Cell(f"{key} {dtype} {arch}", arch, partial(_maps, record, dtype))
        for half, arch in HALVES:
            yield Cell(f"{key} {half} {arch}", arch, partial(_halved, record, half))
    for half, arch in HALVES:
        yield Cell(f"many {half} {arch}", arch, partial(_many_halved, half))
    for dtype, arch in product(catalogue.DTYPES, ARCHES):
        yield Cell(f"strided {dtype} {arch}", arch, partial(_strided, dtype))
        yield Cell(f"many {dtype} {arch}", arch, partial(_many, dtype))
        yield Cell(f"other {dtype} {arch}", arch, partial(_texts, catalogue.other_sources, dtype))
        for suffix in largest(arch):
            make = partial(_texts, catalogue.vector_loss_sources, dtype, {suffix})
            yield Cell(f"vectors {dtype} {suffix} {arch}", arch, make)
        yield Cell(f"alignments {dtype} {arch}", arch, partial(_alignments, dtype))
    for (dtype, half), arch in product(STORED, ARCHES):
        yield Cell(f"rows {half or dtype} {arch}", arch, partial(_rows, dtype, half, STRIPS[arch]))
        for suffix in largest(arch):
            make = partial(_texts, catalogue.row_loss_sources, dtype, {suffix}, half)
            yield Cell(f"row losses {half or dtype} {suffix} {arch}", arch, make)


@functools.cache
def cells():
    """Give all cells by their names."""
    return {cell.name: cell for cell in _all()}


def measured(name):
    """Give a cell's digest, its kernels' figures by their labels, and which are beyond their budget."""
    cell = cells()[name]
    rows = cell.rows()
    kernels = kernels_of([row.text for row in rows.values()], cell.arch)
    figures = {label: figures_of(kernels[row.text.names[0]], wide=row.wide) for label, row in rows.items()}
    return {"digest": cell.digest(), "kernels": figures, "beyond": beyond(rows, figures)}


def beyond(rows, figures):
    """Give in what a cell's kernels are beyond their budget, by the labels of those that are."""
    found = {label: row.beyond(Figures(*figures[label])) for label, row in rows.items()}
    return {label: reasons for label, reasons in found.items() if reasons}


def faults(rows, now, before, *, compared=True):
    """Give what is wrong with a cell's kernels by their labels: beyond their budget and not before, or worse than before.

    Figures of another compiler are not `compared`: each version allots registers in its own way.
    """
    found = {label: reasons for label, reasons in beyond(rows, now).items() if label not in before["beyond"]}
    for label in now.keys() & before["kernels"].keys() if compared else ():
        if reasons := now[label].worse_than(before["kernels"][label]):
            found[label] = [*found.get(label, []), *reasons]
    return found


def compiler():
    """Name the compiler and its version."""
    from cupy.cuda import nvrtc

    return f"NVRTC {'.'.join(map(str, nvrtc.getVersion()))}"


@functools.cache
def ledger():
    """Give what is committed: the compiler, and what was `measured` of each cell."""
    return json.loads(LEDGER.read_text())


def main():
    """Write the ledger."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worse", action="store_true", help="write what got worse or is beyond its budget, too")
    allowed = parser.parse_args().worse
    os.environ[driver.CACHE] = str(CACHE)
    known = ledger()["cells"] if LEDGER.exists() and ledger()["compiler"] == compiler() else {}
    found = {name: cell for name, cell in known.items() if name in cells()}
    changed = [name for name, cell in cells().items() if found.get(name, NEW)["digest"] != cell.digest()]
    try:
        with ProcessPoolExecutor() as pool, contextlib.suppress(KeyboardInterrupt):
            for name, cell in zip(changed, tqdm.tqdm(pool.map(measured, changed), total=len(changed)), strict=True):
                wrong = faults(cells()[name].rows(), cell["kernels"], found.get(name, NEW))
                print(*(f"{name}, {label}: {', '.join(reasons)}\n" for label, reasons in wrong.items()), sep="", end="")
                if allowed or not wrong:
                    found[name] = cell
    finally:
        _write(found)


def _write(found):
    """Write what there is, in the order of the cells."""
    head = json.dumps({"compiler": compiler(), "figures": Figures._fields})[1:-1]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in cells() if name in found)
    LEDGER.write_text(f'{{{head}, "cells": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
