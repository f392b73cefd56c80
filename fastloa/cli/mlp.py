"""A multilayer perceptron that reads handwritten digits: all of it, forward, backward and training.

The parameters are a list: weight and bias of the first layer, of the second, and so on. There is no autograd: the
gradient goes back through the layers by hand. The code names no array library, so it runs where its arrays are, on
NumPy's or CuPy's.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import fastloa as fl
from fastloa import schedules, stopping
from fastloa.training import Result

Array = Any
Params = list[Array]
BATCH_SIZE = 64


def initial(sizes: Sequence[int], rng: np.random.Generator) -> Params:
    """Draw He's weights, which keep the scale of what flows through ReLUs; the biases are 0."""
    params: Params = []
    for inputs, outputs in pairwise(sizes):
        weight = rng.normal(0.0, math.sqrt(2.0 / inputs), (inputs, outputs))
        params += [weight.astype(np.float32), np.zeros(outputs, np.float32)]
    return params


def forward(params: Params, x: Array) -> tuple[Array, list[Array]]:
    """Give the scores of the classes, and what every layer was fed, which the way back needs."""
    layers = list(zip(params[::2], params[1::2], strict=True))
    fed = [x]
    for weight, bias in layers[:-1]:
        fed.append(fl.relu(fed[-1] @ weight + bias))
    weight, bias = layers[-1]
    return fed[-1] @ weight + bias, fed


def value_and_grad(params: Params, x: Array, labels: Array) -> tuple[Array, Params]:
    """Give the loss of a minibatch and its gradient with respect to every parameter."""
    scores, fed = forward(params, x)
    value, grad = fl.cross_entropy.value_and_grad(scores, labels, label_smoothing=0.1)
    grads: Params = []
    for i in reversed(range(len(fed))):
        grads[:0] = [fed[i].T @ grad, grad.sum(axis=0)]
        if i > 0:
            grad = fl.relu.backward_from_output(grad @ params[2 * i].T, fed[i])
    return value, grads


def accuracy(params: Params, x: Array, labels: Array) -> float:
    """Give the share of the images whose highest score is the right one."""
    scores, _ = forward(params, x)
    return float((scores.argmax(axis=-1) == labels).mean())


def train(
    params: Params,
    x: Array,
    labels: Array,
    *,
    epochs: int,
    seed: int,
    callback: Callable[[stopping.State], object] | None = None,
    progress: bool = False,
) -> Result[Params]:
    """Train the parameters in place: AdamW, a rate that warms up for an epoch and then falls along a cosine."""
    batches = fl.minibatches(x, labels, batch_size=BATCH_SIZE, rng=seed)
    falling = schedules.cosine(3e-3, (epochs - 1) * len(batches) or 1)
    return fl.minimize(
        value_and_grad,
        params,
        optimizer=fl.AdamW(params, lr=schedules.warmup(falling, len(batches)), weight_decay=0.3),
        data=batches,
        epochs=epochs,
        stop=[stopping.non_finite(), stopping.patience(10 * len(batches))],
        progress=progress,
        callback=callback,
    )
