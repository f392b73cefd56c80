"""The text of every kernel: the formulas of a record, and the few lines that give them to a skeleton."""

import functools
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastloa_kernels.engines import RowForm
from fastloa_kernels.engines.cupy_native.emit import SCALAR, Emitter
from fastloa_kernels.engines.cupy_native.teams import THREADS, Team
from fastloa_kernels.forms import Form
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.formulas.losses import probability
from fastloa_kernels.formulas.reading import results_of
from fastloa_kernels.records import Formula, PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss
from fastloa_kernels.sums import BLOCK, LANES

RESIDENT = 1024  # threads that must fit on a multiprocessor at once where that takes a limit on registers: 64 for each
SIZES = {"float16": 2, "bfloat16": 2, "int16": 2, "float32": 4, "float64": 8}
# What arrays may hold.
STORED = {**SCALAR, "float16": "fastloa::Float16", "bfloat16": "fastloa::BFloat16", "int16": "fastloa::Int16"}
PUT = 504  # addresses that a launch takes along: with what else it takes, 4 KB at most


@dataclass(frozen=True)
class Source:
    """One piece of text, the names of its kernels, and whether they ask for more shared memory than they declare.

    The blocks of threads that a launch starts are `cluster` together.
    """

    text: str
    names: tuple[str, ...]
    shared: bool = False
    cluster: int = 1


@functools.cache
def headers() -> dict[str, str]:
    """The skeletons by name."""
    return {path.name: path.read_text() for path in sorted(Path(__file__).parent.glob("*.cuh"))}


@dataclass
class Text:
    """Collects a struct of formulas and the kernels that use it."""

    label: str
    include: str
    dtype: str
    emitter: Emitter = field(default_factory=Emitter)
    members: list[str] = field(default_factory=list)
    entries: list[tuple[str, str, str, str]] = field(default_factory=list)
    cluster: int = 1

    def constants(self, **numbers: int) -> None:
        text = ", ".join(f"{name} = {int(number)}" for name, number in numbers.items())
        self.members.append(f"static constexpr int {text};")

    def member(self, name: str, formula: Formula, arguments: str, *, wide: bool = False) -> None:
        """A static function of the struct; `wide` ones are float64 whatever the dtype."""
        dtype = "float64" if wide else self.dtype
        names = arguments.split()
        called = self.emitter.function(formula, dtype, len(names))
        typed = ", ".join(f"{SCALAR[dtype]} {name}" for name in names)
        returned = SCALAR[dtype] if results_of(formula, dtype) == 1 else "auto"
        self.members.append(
            f"static __device__ __forceinline__ {returned} {name}({typed}) {{ return {called}({', '.join(names)}); }}"
        )

    def several(self, name: str, formula: Formula, outputs: int, given: dict[str, int]) -> None:
        """A static function of float64 numbers, in arrays of these lengths but for those of a row, to some."""
        numbers = ("t", "scale", "score", "top", "rest")
        typed = ", ".join(f"double {x}" if x in numbers else f"const double* {x}" for x in given)
        each = [x if x in numbers else f"{x}[{i}]" for x, count in given.items() for i in range(count)]
        called = f"{self.emitter.function(formula, 'float64', len(each))}({', '.join(each)})"
        self.members.append(
            f"static __device__ __forceinline__ fastloa::Values<double, {outputs}> {name}({typed}) "
            f"{{ return {called if outputs > 1 else '{' + called + '}'}; }}"
        )

    def entry(self, suffix: str, arguments: str, threads: int, call: str, *, limited: bool = False) -> None:
        """A kernel of that many threads in a block; a `limited` one is kept from taking more than 64 registers."""
        bounds = f"{threads}, {RESIDENT // threads}" if limited else str(threads)
        self.entries.append((suffix, arguments, bounds, call))

    def source(self, struct: str) -> Source:
        members = "\n".join(f"  {member}" for member in ("using T = " + SCALAR[self.dtype] + ";", *self.members))
        inner = f"{self.emitter.text}\nstruct {struct} {{\n{members}\n}};"
        # The digest keeps kernels of equal label apart: two records may be called by one formula's name.
        digest = hashlib.sha256(f"{self.include}{inner}{self.entries}".encode()).hexdigest()[:10]
        label = f"{self.label}_{'f32' if self.dtype == 'float32' else 'f64'}_{digest}"
        lines, names = [f'#include "{self.include}"', f"namespace formulas_{label} {{", inner, "}"], []
        cluster = "" if self.cluster == 1 else f" __cluster_dims__({self.cluster}, 1, 1)"
        for suffix, arguments, bounds, call in self.entries:
            name = f"{label}{suffix}"
            operation = f"formulas_{label}::{struct}"
            lines.append(
                f'extern "C" __global__ void{cluster} __launch_bounds__({bounds}) {name}'
                f"(const __grid_constant__ fastloa::{arguments.format(operation)} a) {{\n"
                f"  fastloa::{call.format(operation)}(a);\n}}"
            )
            names.append(name)
        return Source("\n".join(lines) + "\n", tuple(names), cluster=self.cluster)


def parted(stored: tuple[str, ...]) -> bool:
    """Whether the first array says what the numbers of the second have lost."""
    return "int16" in stored


def _operation(text: Text, form: Form, parameters: int, stored: tuple[str, ...] | None) -> None:
    arity = form.leading + form.inputs + parameters
    called = text.emitter.function(form.formula, text.dtype, arity)
    held = stored or (text.dtype,) * form.arrays
    text.constants(
        INPUTS=form.inputs, OUTPUTS=form.outputs, LEADING=form.leading, PARAMETERS=parameters, SUMMED=form.summed,
        PARTED=parted(held),
    )  # fmt: skip
    text.members.append(f"using Arrays = fastloa::Types<{', '.join(STORED[dtype] for dtype in held)}>;")
    counts = (("leading", form.leading), ("in", form.inputs), ("parameters", parameters))
    call = f"{called}({', '.join(f'{name}[{i}]' for name, count in counts for i in range(count))})"
    arguments = "const T* leading, const T* in, const T* parameters"
    text.members.append(
        f"static __device__ __forceinline__ fastloa::Values<T, {form.outputs}> apply({arguments}) "
        f"{{ return {call if form.outputs > 1 else '{' + call + '}'}; }}"
    )


def map_source(
    label: str, form: Form, parameters: int, dtype: str, stored: tuple[str, ...] | None = None, *, strided: bool = False
) -> Source:
    """The map of `form` over contiguous arrays, or over arrays of any layout.

    `stored` is what each array holds, the inputs first, where that is not always `dtype`.
    """
    text = Text(f"{label}_strided" if strided else label, "map.cuh", dtype)
    _operation(text, form, parameters, stored)
    if strided:
        text.entry("", "StridedArguments<{0}>", THREADS, "strided_map<{0}>")
    else:
        text.entry("", "MapArguments<{0}>", THREADS, "map<{0}>")
    return text.source("Operation")


def sum_source(label: str, form: Form, parameters: int, dtype: str, stored: tuple[str, ...] | None = None) -> Source:
    """The partial sums of a summed form."""
    text = Text(label, "sum.cuh", dtype)
    _operation(text, form, parameters, stored)
    crowded = dtype == "float64" and form.inputs + form.outputs > 6  # more than 64 registers hold of two elements
    text.entry("", "SumArguments<{0}>", THREADS, f"sum<{{0}}, {BLOCK}>", limited=not crowded)
    return text.source("Operation")


def finish_source(dtype: str) -> Source:
    """One number from partial sums."""
    text = Text("finish", "sum.cuh", dtype)
    scalar = SCALAR[dtype]
    text.entry("", f"FinishArguments<{scalar}>", LANES, f"finish<{scalar}, {LANES}>")
    return text.source("Nothing")


def many_source(label: str, form: Form, parameters: int, dtype: str, stored: tuple[str, ...] | None = None) -> Source:
    """The map of `form`, or the partial sums of a summed one, over many arrays; `stored` is what the inputs hold."""
    text = Text(f"{label}_many", "many.cuh", dtype)
    held = stored or (dtype,) * form.inputs
    outputs = [held[place] for place in form.in_place] or [dtype] * (form.outputs - form.summed)
    _operation(text, form, parameters, (*held, *outputs))
    rows = form.in_place or tuple(range(form.inputs, form.inputs + form.outputs - form.summed))
    chosen = "".join(f"n == {n} ? {row} : " for n, row in enumerate(rows))
    text.members.append(f"static __device__ __forceinline__ int row(int n) {{ return {chosen}0; }}")
    arguments, call = ("ManySumArguments", "sum_many") if form.summed else ("ManyArguments", "map_many")
    text.entry("", f"{arguments}<{{0}}>", THREADS, f"{call}<{{0}}, {BLOCK}>", limited=True)
    return text.source("Operation")


def finish_many_source(dtype: str) -> Source:
    """One number for each of many arrays from their partial sums."""
    text = Text("finish_many", "many.cuh", dtype)
    scalar = SCALAR[dtype]
    text.entry("", f"FinishManyArguments<{scalar}>", LANES, f"finish_many<{scalar}, {LANES}>")
    return text.source("Nothing")


def put_source() -> Source:
    """Addresses put into the table of many arrays."""
    text = Text("put", "many.cuh", "float64")
    text.entry("", f"PutArguments<{PUT}>", THREADS, f"put<{PUT}>")
    return text.source("Nothing")


def uniforms_source(dtype: str) -> Source:
    """Random numbers for an array."""
    text = Text("uniforms", "uniforms.cuh", dtype)
    text.entry("", f"UniformArguments<{SCALAR[dtype]}>", THREADS, f"uniforms<{SCALAR[dtype]}>")
    return text.source("Nothing")


def row_source(
    record: Rowwise | Projection,
    form: str,
    dtype: str,
    team: Team,
    stored: tuple[str, str, str] | None = None,
) -> Source:
    """A row activation's value or backward.

    `stored` is what the operands hold, of which there may be only one, and the results, where that is not `dtype`.
    """
    text = Text(f"{record.name}_{form}", "projections.cuh" if isinstance(record, Projection) else "rows.cuh", dtype)
    if isinstance(record, Projection):
        call = _projection(text, record) if form == "value" else _projection_backward(text, record)
    elif form == "value":
        _scores(text, record.score or rowwise.same, normalised=True)
        text.constants(OF_EXPONENTIAL=record.of_exponential)
        text.member("value", record.value, "at rest")
        call = "rowwise_value"
    else:
        text.member("summand", record.summand, "g y")
        text.member("backward", record.backward, "g y total")
        call = "rowwise_backward"
    return _of_team(text, team, stored, "RowArguments", call)


def row_loss_source(
    record: RowLoss | ProjectionLoss,
    form: RowForm,
    dtype: str,
    team: Team,
    stored: tuple[str, str, str] | None = None,
) -> Source:
    """A row loss; `stored` is what scores, probabilities and derivatives hold, where it is not `dtype`."""
    asked = "_".join(name for name, wanted in vars(form).items() if wanted)
    if isinstance(record, ProjectionLoss):
        text = Text(f"{record.name}_{asked}", "projections.cuh", dtype)
        _projection_loss(text, record, form)
        return _of_team(text, team, stored, "RowLossArguments", "projection_loss")
    text = Text(f"{record.name}_{asked}", "row_losses.cuh", dtype)
    _scores(text, rowwise.same, normalised=record.normalised)
    text.constants(
        VALUE=form.value, GRAD=form.grad, HESS=form.hess, WEIGHTED=form.weighted, BENT=record.bent,
        PARAMETERS=len(record.parameters),
    )  # fmt: skip
    if record.bent:
        text.several("terms", record.value, 3, {"score": 1, "top": 1, "rest": 1, "p": len(record.parameters)})
        text.member("curved", rowwise.curved, "slope bend p complement miss")
    else:
        text.member("value", record.value, "d rest")
    text.member("greatest", rowwise.greatest, "rest", wide=True)
    text.member("probability", record.probability, "e rest")
    text.member("complement", record.complement, "e rest")
    text.member("share", probability, "q")
    text.member("share_gradient", rowwise.share_gradient, "mass t p complement")
    text.member("share_inclined", rowwise.share_inclined, "mass lean both t p complement")
    text.member("inclined", rowwise.inclined, "slope lean p")
    text.member("z_loss", rowwise.z_loss, "z m logarithm", wide=True)
    text.member("z_lean", rowwise.z_lean, "z m logarithm", wide=True)
    return _of_team(text, team, stored, "RowLossArguments", "label_row" if form.labels else "probability_row")


def vector_loss_source(
    record: VectorLoss | PairedLoss, form: str, dtype: str, team: Team, stored: tuple[str, str, str] | None = None
) -> Source:
    """A loss of rows of vectors, all of them arrays of `dtype`, or of pairs of labels and other classes."""
    if isinstance(record, PairedLoss):
        return _paired_loss(record, form, dtype, team, stored)
    text = Text(f"{record.name}_{form}", "vector_losses.cuh", dtype)
    slopes, results = record.slopes(form)
    parameters = {"p": len(record.parameters)}
    text.constants(
        VECTORS=record.vectors, GRADIENTS=results, SUMS=record.sums, PARAMETERS=parameters["p"],
        LABELLED=record.labelled, VALUE="value" in form, GRAD="grad" in form,
    )  # fmt: skip
    row = {"s": record.sums, "t": 1, **parameters}
    text.several("terms", record.terms, record.sums, {"x": record.vectors, **parameters})
    text.several("value", record.value, 1, row)
    text.several("coefficients", record.coefficients, record.shares, {"scale": 1, **row})
    text.several("gradient", slopes, results, {"c": record.shares, "x": record.vectors, **parameters})
    return _of_team(text, team, stored, "VectorArguments", "vector_row")


def _paired_loss(record: PairedLoss, form: str, dtype: str, team: Team, stored: tuple[str, str, str] | None) -> Source:
    text, parameters = Text(f"{record.name}_{form}", "paired_losses.cuh", dtype), len(record.parameters)
    text.constants(
        RESULTS=max(1, record.slopes(form)[1]), PARAMETERS=parameters, VALUE="value" in form, GRAD="grad" in form,
        HESS="hess" in form,
    )  # fmt: skip
    for name in ("value", "derivative", "second"):
        text.several(name, getattr(record, name), 1, {"score": 1, "t": 1, "p": parameters})
    return _of_team(text, team, stored, "PairedArguments", "paired_row")


def _projection(text: Text, record: Projection) -> str:
    """What a projection's threshold takes, and its value; the name of the skeleton."""
    text.constants(NORMALISED=True)
    text.member("score", rowwise.same, "x")
    text.member("origin", record.origin, "m", wide=True)
    text.member("least", record.least, "m origin", wide=True)
    text.member("member", record.member, "x origin high low", wide=True)
    text.member("threshold", record.threshold, "total error count m", wide=True)
    text.member("value", record.value, "x origin high low", wide=True)
    return "projection_value"


def _projection_backward(text: Text, record: Projection) -> str:
    text.member("summand", record.summand, "g y", wide=True)
    text.member("mean", record.mean, "total count", wide=True)
    text.member("backward", record.backward, "g y mean", wide=True)
    return "projection_backward"


def _projection_loss(text: Text, record: ProjectionLoss, form: RowForm) -> None:
    _projection(text, record.projection)
    text.constants(VALUE=form.value, GRAD=form.grad, HESS=form.hess, LABELS=form.labels, PARAMETERS=0)
    text.member("share", probability, "q")
    text.member("loss", record.value, "x q origin high low", wide=True)
    text.member("derivative", record.derivative, "x q origin high low", wide=True)
    text.member("second", record.second, "x count origin high low", wide=True)


def _of_team(text: Text, team: Team, stored: tuple[str, str, str] | None, arguments: str, call: str) -> Source:
    for name, held in zip(("First", "Second", "Result"), stored or (text.dtype,) * 3, strict=True):
        text.members.append(f"using {name} = {STORED[held]};")
    # Of projections and pairs of float64 the compiler spills what registers would hold, unless it is told how many.
    limited = call.startswith(("projection", "paired")) and text.dtype == "float64" and team.limit is not None
    operation = f"{call}<{{0}}, fastloa::{team.kind}>"
    text.cluster = team.blocks
    text.entry(f"_{team.suffix}", f"{arguments}<{{0}}>", team.threads, operation, limited=limited)
    return replace(text.source("Row"), shared=team.limit is None)


def _scores(text: Text, score: Formula, *, normalised: bool) -> None:
    text.constants(NORMALISED=normalised)
    text.member("score", score, "x")
    text.member("distance", rowwise.distance, "x m")
    text.constants(NEAR=int(rowwise.NEAR))
    text.member("exponential", rowwise.exponential, "x m")
    text.member("near_exponential", rowwise.near_exponential, "x m floor")
    text.member("floor", rowwise.floor, "m")
    text.member("other", rowwise.other, "e")
    text.member("rest", rowwise.rest, "excess m", wide=True)


def label_weights_source(dtype: str) -> Source:
    """The partial sums of the labels' weights, and one number from them."""
    text = Text("label_weights", "row_losses.cuh", dtype)
    scalar = SCALAR[dtype]
    text.entry("", f"LabelArguments<{scalar}>", THREADS, f"label_weights<{scalar}, {BLOCK}>")
    text.entry("_finish", "FinishLabelArguments", LANES, f"finish_label_weights<{LANES}>")
    return text.source("Nothing")


def map_label(record: Any, form: str) -> str:
    return f"{record.name}_{form}"
