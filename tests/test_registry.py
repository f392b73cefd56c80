"""Every operation has its formula and record, its public definition and its test case: the three steps of the guide."""

import importlib
import inspect
import pkgutil
import re
import tomllib

import pytest
from fastloa_kernels import formulas
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

import fastloa as fl
from benchmarks import catalogue
from fastloa.alignment_loss_operations import AlignmentLossOperation
from fastloa.cli.accuracy_table import EXACT
from fastloa.contrastive_loss_operations import ContrastiveLossOperation
from fastloa.linear_loss_operations import LinearLossOperation
from fastloa.loss_operations import LossOperation
from fastloa.operations import Activation, Operation
from fastloa.optimizer_operations import Optimizer
from fastloa.optimizer_steps import StepOperation
from fastloa.random_operations import SampledActivation
from fastloa.vector_loss_operations import VectorLossOperation
from tests import cases, references

KINDS = (
    AlignmentLoss, Elementwise, Gated, PairedLoss, PairwiseLoss, Projection, ProjectionLoss, RowLoss, Rowwise, Step,
    VectorLoss,
)  # fmt: skip
# Steps go in sequences, products round as their library does, errors of vectors are those of terms that cancel, those
# of alignments add up over their frames, and samples are drawn.
UNMEASURED = (
    StepOperation, AlignmentLossOperation, ContrastiveLossOperation, LinearLossOperation, SampledActivation,
    VectorLossOperation,
)  # fmt: skip
# Records that serve an operation under another's name, and what is summed for its own sake.
SERVING = {
    "gelu_tanh": "gelu", "geglu_tanh": "geglu", "poisson_nll_loss_full": "poisson_nll_loss", "poisson_nll_loss_rate": "poisson_nll_loss",
    "poisson_nll_loss_rate_full": "poisson_nll_loss", "kl_div_log_target": "kl_div",
    "jensen_shannon_divergence_log_target": "jensen_shannon_divergence", "gaussian_nll_loss_full": "gaussian_nll_loss",
    "triplet_margin_loss_swap": "triplet_margin_loss", "triplet_margin_loss_norm": "triplet_margin_loss",
    "multilabel_soft_margin_loss_weighted": "multilabel_soft_margin_loss", "multi_margin_loss_squared": "multi_margin_loss",
    "prelu_channel": "prelu", "gumbel_score": "gumbel_softmax", "tempered": "gumbel_softmax",
    "softcap_derivative": "softcap",
    "product_with_direction": None, "identity": None, "not_a_probability": None, "descent_square": None, "magnitude": None,
}  # fmt: skip


# Optimizers of another, of matrices, of all arrays at once: test_lookahead.py, test_orthogonal.py, test_factored.py, …;
# samples: test_gumbel.py.
TESTED_APART = {
    "gumbel_softmax", "Adafactor", "adafactor_step", "LBFGS", "Lookahead", "Muon", "muon_step", "Prodigy",
    "prodigy_step",
}  # fmt: skip


def records():
    """Every record under fastloa_kernels.formulas, by the name of its formula."""
    found = {}
    for module in pkgutil.iter_modules(formulas.__path__):
        for value in vars(importlib.import_module(f"{formulas.__name__}.{module.name}")).values():
            if isinstance(value, KINDS):
                found.setdefault(value.name, value)
    return found


def public():
    """Every public operation and optimizer, by name."""
    return {
        name: value
        for name in fl.__all__
        if isinstance(value := getattr(fl, name), Operation)
        or (inspect.isclass(value) and issubclass(value, Optimizer))
    }


def missing_steps(found, defined, tested, measured):
    """What of the guide's three steps is missing, as messages."""
    messages = []
    optimizers = [value for value in defined.values() if inspect.isclass(value)]
    stepped = [record for optimizer in optimizers for record in optimizer.records]
    for name in found:
        served = SERVING.get(name, name)
        if isinstance(found[name], Step):
            if found[name] not in stepped:
                messages.append(f"{name}: step 2 (public definition) is missing: an optimizer with this record")
        elif served is not None and served not in defined:
            messages.append(f"{name}: step 2 (public definition) is missing: fastloa.{served}")
    for name, value in defined.items():
        if isinstance(value, Operation) and value.record not in found.values():
            messages.append(f"{name}: step 1 (formula and record) is missing: no record in fastloa_kernels.formulas")
        if name not in tested:
            messages.append(f"{name}: step 3 (test case) is missing: tests/cases/")
        messages += [f"{name}: step 3 (reference) is missing: {one} in tests/references/" for one in unreferenced(name)]
        if isinstance(value, Operation) and not isinstance(value, UNMEASURED) and name not in measured:
            losses = "exact_losses" if isinstance(value, LossOperation) else "accuracy_table"
            where = "exact_activations" if isinstance(value, Activation) else losses
            messages.append(f"{name}: step 3 (exact results) is missing: fastloa/cli/{where}.py")
    return messages


def unreferenced(name):
    """The references that the case of an operation asks for, of those of single elements, and that are not there."""
    tails = {cases.ActivationCase: ("", "_derivative"), cases.LossCase: ("", "_derivative", "_second")}
    return [
        name + tail for tail in tails.get(type(cases.BY_NAME.get(name)), ()) if not hasattr(references, name + tail)
    ]


def names_with_cases():
    names = set(cases.BY_NAME)
    return names | TESTED_APART | {case.optimizer for case in cases.CASES if isinstance(case, cases.StepCase)}


def test_no_step_is_missing():
    assert missing_steps(records(), public(), names_with_cases(), EXACT) == []


def double(x):
    return 2.0 * x


def two(x):
    return 2.0


def test_a_record_without_definition_is_told_its_step():
    found = {**records(), "double": Elementwise(double, two)}
    assert missing_steps(found, public(), names_with_cases(), EXACT) == [
        "double: step 2 (public definition) is missing: fastloa.double"
    ]


def test_a_step_without_optimizer_is_told_its_step():
    found = {**records(), "double": Step(double)}
    assert missing_steps(found, public(), names_with_cases(), EXACT) == [
        "double: step 2 (public definition) is missing: an optimizer with this record"
    ]


def test_a_definition_without_case_is_told_its_step():
    left = names_with_cases() - {"tanh"}
    messages = ["tanh: step 3 (test case) is missing: tests/cases/"]
    assert missing_steps(records(), public(), left, EXACT) == messages


def test_a_definition_without_exact_results_is_told_its_step():
    messages = ["tanh: step 3 (exact results) is missing: fastloa/cli/exact_activations.py"]
    assert missing_steps(records(), public(), names_with_cases(), set(EXACT) - {"tanh"}) == messages


def test_a_definition_without_record_is_told_its_step():
    found = {name: record for name, record in records().items() if name != "tanh"}
    assert missing_steps(found, public(), names_with_cases(), EXACT) == [
        "tanh: step 1 (formula and record) is missing: no record in fastloa_kernels.formulas"
    ]


MAKERS = ("activation", "loss")  # of a user's own operations


@pytest.mark.parametrize("name", [*sorted(public()), *MAKERS])
def test_docstrings_are_whole(name):
    value = getattr(fl, name)
    text = inspect.getdoc(value)
    for section in ("Parameters", "Raises", "References", "Examples"):
        assert re.search(rf"^{section}\n-+$", text, re.M), f"{name}: no section {section}"
    documented = re.findall(r"^([*\w, ]+)(?: : .*)?$", text, re.M)
    names = {part.strip(" *") for line in documented for part in line.split(",")}
    target = value.__init__ if inspect.isclass(value) else value
    wanted = {p for p in inspect.signature(target).parameters if p != "self"}
    assert wanted <= names, f"{name}: not documented: {sorted(wanted - names)}"


@pytest.mark.parametrize("name", sorted(public()))
def test_operations_are_documented_where_they_are_defined(name):
    value = public()[name]
    assert value.__module__.startswith("fastloa.")
    assert value.__name__ == name


def test_all_names_exist():
    assert len(set(fl.__all__)) == len(fl.__all__)
    assert all(hasattr(fl, name) for name in fl.__all__)


def test_the_catalogue_is_that_of_the_docstrings():
    same = catalogue.TARGET.read_text(encoding="utf-8") == catalogue.page()
    assert same, "docs/catalogue.md is older than the docstrings: python benchmarks/catalogue.py"


def test_what_others_call_it_is_of_what_there_is():
    for family, named in tomllib.loads(catalogue.PEERS.read_text(encoding="utf-8")).items():
        assert set(named) <= set(getattr(fl, family).__all__)
        assert {library for peers in named.values() for library in peers} <= set(catalogue.LIBRARIES)


def test_pytorch_has_what_the_catalogue_says():
    torch = pytest.importorskip("torch")
    places = torch.nn.functional, torch.optim, torch.optim.lr_scheduler
    for named in tomllib.loads(catalogue.PEERS.read_text(encoding="utf-8")).values():
        for name in (peers["torch"] for peers in named.values() if "torch" in peers):
            assert any(hasattr(place, name) for place in places), name


def test_a_case_without_reference_is_told_its_step(monkeypatch):
    monkeypatch.delattr(references, "tanh_derivative")
    messages = ["tanh: step 3 (reference) is missing: tanh_derivative in tests/references/"]
    assert missing_steps(records(), public(), names_with_cases(), EXACT) == messages
