"""The subjects of losses with several gradients: with a name for each array that they write to."""

from functools import partial

import numpy as np

import fastloa as fl
from tests import cases
from tests import references as ref
from tests.harness import as_tuple
from tests.samples import grid, rng_for, stratified
from tests.subject import RESULTS, Output, Subject, form_of, lifted

JOINT_RESULTS = {
    "value": ("",),
    "grad": ("_grad_a", "_grad_b"),
    "value_and_grad": ("", "_grad_a", "_grad_b"),
    "grad_and_hess": ("_grad_a", "_grad_b", "_hess_a", "_hess_b"),
}


def apart(operation, form):
    """Give a form with a name for each array that it may write to, and its results in a row."""

    def call(*arrays, out=None, grad_a=None, grad_b=None, hess_a=None, hess_b=None, **more):
        buffers = {"out": out, "grad_out": (grad_a, grad_b), "hess_out": (hess_a, hess_b)}
        given = {name: buffers[name] for name, _ in RESULTS[form] if buffers[name] is not None}
        results = as_tuple(form_of(operation, form)(*arrays, **given, **more))
        return tuple(part for result in results for part in as_tuple(result))

    return call


def joint_loss_subjects(case):
    name, operation = case.name, getattr(fl, case.name)

    def triples(dtype):
        rng, hard = rng_for(name, dtype), grid(*(np.array(own[dtype], dtype) for own in case.hard))
        columns = []
        for place, (domain, own) in enumerate(zip(case.domains, hard, strict=True)):
            drawn = rng.permutation(stratified(rng, *domain[dtype], 160, dtype))
            drawn = np.where(drawn > 0, 1.0, -1.0) if place == case.labels else drawn
            columns.append(np.concatenate([drawn, own]).astype(dtype))
        return tuple(columns)

    for given in case.options:
        lift = partial(lifted, options={**case.defaults, **given})
        for form, tails in JOINT_RESULTS.items():
            terms = [getattr(ref, f"{name}{tail}_terms", None) for tail in tails]
            yield Subject(
                name, form, partial(apart(operation, form), reduction="none", **spoken(given)),
                tuple(
                    Output(lift(getattr(ref, name + tail)), cases.TWO, own and lift(own))
                    for tail, own in zip(tails, terms, strict=True)
                ),
                triples, tuple(tail.strip("_") or "out" for tail in tails), given,
            )  # fmt: skip


def spoken(options):
    """Give options as a caller writes them: references have numbers for what is true or false."""
    return {name: bool(value) if name == "full" else value for name, value in options.items()}
