"""The subjects of losses with several gradients: with a name for each array that they write to."""

from functools import partial

import numpy as np
from mpmath import mpf

import fastloa as fl
from tests import cases
from tests import references as ref
from tests.harness import as_tuple
from tests.samples import embeddings, grid, label_sets, matrix, rng_for, row_seeds, stratified
from tests.subject import RESULTS, Output, Subject, form_of, lifted, rounded

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
        lift, outputs = partial(lifted, options={**case.defaults, **given}), {}
        for tail in (*JOINT_RESULTS["value"], *JOINT_RESULTS["grad_and_hess"]):
            terms = getattr(ref, f"{name}{tail}_terms", None)
            outputs[tail] = Output(lift(getattr(ref, name + tail)), cases.TWO, terms and lift(terms))
        for form, tails in JOINT_RESULTS.items():
            yield Subject(
                name, form, partial(apart(operation, form), reduction="none", **given),
                tuple(outputs[tail] for tail in tails),
                triples, tuple(tail.strip("_") or "out" for tail in tails), given,
            )  # fmt: skip


VECTOR_RESULTS = {"value": ("out",), "grad": ("grad",), "value_and_grad": ("out", "grad")}
CURVED_RESULTS = {**VECTOR_RESULTS, "grad_and_hess": ("grad", "hess")}


def of_vectors(case, form, given):
    """Give a form of a loss of vectors with a name for each array that it may write to, and its results in a row."""
    operation, several = getattr(fl, case.name), case.gradients > 1

    def call(*vectors, out=None, grad_a=None, grad_b=None, grad_c=None, hess_a=None, **more):
        grads = (grad_a, grad_b, grad_c)[: case.gradients]
        buffers = {"out": out, "grad_out": grads if several else grad_a, "hess_out": hess_a}
        buffers = {name: buffers[name] for name, _ in RESULTS[form] if buffers[name] is not None}
        labels = (labels_of(vectors[0]),) if case.labelled else ()
        results = as_tuple(
            form_of(operation, form)(*vectors, *labels, **buffers, **{"reduction": "none", **given, **more})
        )
        return tuple(part for result in results for part in as_tuple(result))

    return call


def labels_of(x):
    return np.where(row_seeds(x) % 2, 1, -1)


def vector_loss_subjects(case):
    def reference(function, options, place=None):
        def rows_of(arrays, dtype):
            given = rounded(options, dtype)
            labels = [{"t": int(t)} for t in labels_of(arrays[0])] if case.labelled else [{}] * len(arrays[0])
            rows = zip(*([[mpf(x) for x in row] for row in array.tolist()] for array in arrays), strict=True)
            found = [function(*row, **own, **given) for row, own in zip(rows, labels, strict=True)]
            return found if place is None else [x for row in found for x in row[place]]

        return rows_of

    value, grad, terms, sizes = (getattr(ref, case.name + tail) for tail in ("", "_grad", "_terms", "_grad_terms"))
    sample = case.sample or partial(embeddings, vectors=case.vectors)
    for given in case.options:
        options = {**case.defaults, **given}
        outputs = {"out": [Output(reference(value, options), cases.TWO, reference(terms, options))]}
        outputs["grad"] = [
            Output(reference(grad, options, i), cases.TWO, reference(sizes, options, i)) for i in range(case.gradients)
        ]
        names = {"out": ("out",), "grad": ("grad_a", "grad_b", "grad_c")[: case.gradients], "hess": ("hess_a",)}
        if case.curved:
            outputs["hess"] = [Output(reference(getattr(ref, f"{case.name}_hess"), options, 0), cases.TWO)]
        for form, results in (CURVED_RESULTS if case.curved else VECTOR_RESULTS).items():
            yield Subject(
                case.name, form, of_vectors(case, form, given), tuple(o for name in results for o in outputs[name]),
                sample, tuple(part for name in results for part in names[name]), given, rows=True,
            )  # fmt: skip


def paired_loss_subjects(case):
    name, operation = case.name, getattr(fl, case.name)
    places = {"out": 0, "grad_out": 1, "hess_out": 2}

    def target(x):
        return label_sets(x, x.shape[1]) if case.several else label_sets(x, 1)[:, 0]

    def reference(place, options):
        def rows_of(arrays, dtype):
            given = {key: mpf(value) for key, value in options.items()}
            sets = target(arrays[0]).reshape(len(arrays[0]), -1).tolist()
            rows = [[mpf(x) for x in row] for row in arrays[0].tolist()]
            found = [
                getattr(ref, name)(row, [y for y in labels if y >= 0], **given)[place]
                for row, labels in zip(rows, sets, strict=True)
            ]
            return found if place == 0 else [x for row in found for x in row]

        return rows_of

    def scores(dtype):
        x = matrix(dtype)
        return (x[np.isfinite(x).all(axis=1) & (np.abs(x) < np.finfo(dtype).max).all(axis=1)],)

    for given in case.options:
        outputs = {n: Output(reference(place, {**case.defaults, **given}), cases.TWO) for n, place in places.items()}
        for form, results in RESULTS.items():
            names = tuple(buffer for buffer, _ in results)
            yield Subject(
                name, form, lambda x, f=form, g=given, **more: (
                    form_of(operation, f)(x, target(x), **{"reduction": "none", **g, **more})
                ),
                tuple(outputs[n] for n in names),
                scores, names, given, rows=True,
            )  # fmt: skip
