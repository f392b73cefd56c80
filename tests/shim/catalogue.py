"""Every record there is, and the text of every kernel made of it."""

import importlib
import pkgutil

from fastloa_kernels import forms, formulas
from fastloa_kernels.engines import RowForm
from fastloa_kernels.engines.cupy_native import alignments, source
from fastloa_kernels.engines.cupy_native.teams import activation_teams, loss_teams, vector_teams
from fastloa_kernels.formulas.activations import ELU
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.formulas.optimizer_mixtures import ADAN
from fastloa_kernels.formulas.optimizers import ADAM, SGD
from fastloa_kernels.formulas.residuals import HUBER_LOSS
from fastloa_kernels.formulas.totals import IDENTITY, NOT_A_PROBABILITY
from fastloa_kernels.records import (
    AlignmentLoss,
    Elementwise,
    Gated,
    PairedLoss,
    PairwiseLoss,
    Projection,
    ProjectionLoss,
    RowLoss,
    Rowwise,
    Step,
    VectorLoss,
)

DTYPES = ("float32", "float64")
MAPPED = tuple(forms.FORMS)
FOLDED = (SGD, ADAM, ADAN)  # without states, with two, and with the most
WHOLE = (ELU, MSE_LOSS, HUBER_LOSS, *FOLDED, IDENTITY, NOT_A_PROBABILITY, DESCENT_SQUARE)
# What forms do is the same for all records: of most the tests run those that hold each formula once.
ONCE = {
    Elementwise: ("value", "derivative", "backward", "backward_from_output"), Gated: ("value", "backward"),
    PairwiseLoss: ("weighted_value_and_grad_summed", "grad_and_hess"), Step: ("step", "measured_summed", "total_summed"),
}  # fmt: skip


def halved(record, name, half):
    """Give what the arrays of a form hold for a caller whose own hold 16 bits; of steps, states that do and do not."""
    form = forms_of(record)[name]
    if isinstance(record, Step):
        for inputs in ((half,) * form.inputs, (half, half, *("float32",) * (form.inputs - 2))):
            yield with_outputs(form, inputs)
        return
    weights, values = "weighted" in name, isinstance(record, PairwiseLoss) and "value" in name and not form.summed
    yield (
        *("float32",) * weights, *(half,) * (form.inputs - weights),
        *("float32",) * values, *(half,) * (form.outputs - form.summed - values),
    )  # fmt: skip


def in_parts(record, name, half):
    """Give the form of a step that takes a parameter in two parts, and what its arrays hold."""
    name = f"{name}_of_{half}"
    form = forms.form(record, name)
    return name, with_outputs(form, ("int16", *(half,) * min(2, form.inputs - 1), *("float32",) * (form.inputs - 3)))


def with_outputs(form, inputs):
    """Give what the arrays of a step hold, for what its inputs do."""
    return (*inputs, *(inputs[place] for place in form.in_place))


def records(*kinds):
    """Give the records of these kinds by the names they have in the modules of formulas."""
    found = {}
    for info in pkgutil.iter_modules(formulas.__path__):
        module = importlib.import_module(f"{formulas.__name__}.{info.name}")
        found |= {f"{info.name}.{name}": value for name, value in vars(module).items() if isinstance(value, kinds)}
    return found


def forms_of(record):
    """Give the forms of an elementwise record; what is folded into steps is the same for all, so of a few only."""
    found = forms.FORMS[type(record)](record)
    whole = not isinstance(record, Step) or record in FOLDED
    return found if whole else {name: form for name, form in found.items() if "folded" not in name}


def once(record):
    """Give the forms of an elementwise record that hold each of its formulas, or all of them."""
    found = forms.FORMS[type(record)](record)
    return {name: form for name, form in found.items() if record in WHOLE or name in ONCE[type(record)]}


def map_sources(dtype):
    """Give the text of these forms of every elementwise record."""
    for record in records(*MAPPED).values():
        for name in once(record):
            yield map_source(record, name, dtype)


def map_source(record, name, dtype):
    """Give the text of a kernel over elements."""
    form = forms.form(record, name)
    made = source.sum_source if form.summed else source.map_source
    return made(source.map_label(record, name), form, len(record.parameters), dtype)


def many_forms():
    """Give the records and forms that kernels over many arrays are made of: what optimizers ask for."""
    for record in records(Step).values():
        yield from ((record, name) for name in forms_of(record))
    yield DESCENT_SQUARE, "value_summed_wide"


def many_halved(half):
    """Give the same for 16-bit parameters, whole and in two parts, and what the inputs hold."""
    for record, name in many_forms():
        inputs = forms.form(record, name).inputs
        yield record, name, (*(half,) * min(2, inputs), *("float32",) * (inputs - 2))
        parted, held = in_parts(record, name, half)
        yield record, parted, held[: inputs + 1]


def many_source(record, name, dtype, stored=None):
    """Give the text of a kernel over many arrays."""
    texts = source.map_label(record, name), forms.form(record, name), len(record.parameters), dtype
    return source.many_source(*texts, stored)


def used(teams, lengths):
    """Keep the teams that rows of these lengths are shared out to; of the longest, all that may be."""
    limits = [0, *(team.limit for team in teams if team.limit is not None)]
    return tuple(
        team
        for team, least in zip(teams, limits + limits[-1:] * len(teams), strict=False)
        if any(least < classes and (team.limit is None or classes <= team.limit) for classes in lengths)
    )


def row_sources(dtype, half=None, lengths=None):
    """Give the text of every form of every row activation, for the teams of rows of these lengths or for all.

    With `half`, for arrays of those 16 bits; outputs are kept in float32 for a gradient from the input.
    """
    for record in records(Rowwise, Projection).values():
        for form in ("value", "backward_from_output"):
            teams = activation_teams(record, dtype)
            for team in teams if lengths is None else used(teams, lengths):
                stored = None if half is None else (half, half if form == "value" else dtype, half)
                yield source.row_source(record, form, dtype, team, stored)


def kinds_of_targets(record):
    """Give whether the targets of a row loss can be labels: probabilities are for scores that it normalises itself."""
    return (True, False) if isinstance(record, ProjectionLoss) or record.shared else (True,)


def row_loss_forms(record):
    """Give what can be asked of a row loss; those by a projection have no class weights."""
    asked = ((True, False, False), (False, True, False), (True, True, False), (False, True, True))
    for labels in kinds_of_targets(record):
        for weighted in (False,) if isinstance(record, ProjectionLoss) else (False, True):
            yield from (RowForm(*results, labels=labels, weighted=weighted) for results in asked)


def row_loss_sources(dtype, suffixes=None, half=None):
    """Give the text of every form of every row loss, for the teams of these suffixes or for all."""
    for record in records(RowLoss, ProjectionLoss).values():
        for form in row_loss_forms(record):
            for team in loss_teams(record, dtype, form):
                if suffixes is None or team.suffix in suffixes:
                    yield source.row_loss_source(record, form, dtype, team, half and (half,) * 3)


def vector_forms(record):
    """Give what can be asked of a loss of vectors or pairs."""
    curved = isinstance(record, PairedLoss) or record.curved
    return ("value", "grad", "value_and_grad", *(("grad_and_hess",) if curved else ()))


def vector_loss_sources(dtype, suffixes=None):
    """Give the text of every form of every loss of vectors or pairs, for the teams of these suffixes or for all."""
    for record in records(VectorLoss, PairedLoss).values():
        for form in vector_forms(record):
            for team in vector_teams(dtype, record):
                if suffixes is None or team.suffix in suffixes:
                    yield source.vector_loss_source(record, form, dtype, team)


def alignment_sources(dtype):
    """Give the text of every form of every loss of alignments."""
    for record in records(AlignmentLoss).values():
        yield from (alignments.alignment_source(record, form, dtype) for form in ("value", "grad", "value_and_grad"))


def other_sources(dtype):
    """Give the text of the kernels that belong to no record."""
    yield source.finish_source(dtype)
    yield source.finish_many_source(dtype)
    yield source.put_source()
    yield source.uniforms_source(dtype)
    yield source.label_weights_source(dtype)
