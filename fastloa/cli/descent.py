"""Three ways down one valley: batch, minibatch and momentum descent on the same least squares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import fastloa as fl

Floats = npt.NDArray[np.float64]
STEPS = 40


@dataclass(frozen=True)
class LeastSquares:
    """J(t) = mean((x t - y)^2) of samples x, y and two parameters t: a valley 20 times as steep across as along."""

    x: Floats
    y: Floats

    def value_and_grad(self, theta: Floats, x: Floats, y: Floats) -> tuple[Any, Floats]:
        """Give J of some of the samples, and its gradient."""
        value, grad = fl.mse_loss.value_and_grad(x @ theta, y)
        return value, x.T @ grad

    def values(self, thetas: Floats) -> Floats:
        """Give J of all samples for each of an array of parameters, shape (..., 2)."""
        values: Floats = np.square(thetas @ self.x.T - self.y).mean(axis=-1)
        return values

    def solution(self) -> Floats:
        """Give the parameters that the three ways lead to."""
        return np.asarray(np.linalg.lstsq(self.x, self.y)[0], np.float64)


def problem(seed: int) -> LeastSquares:
    """Draw 256 samples of two features, one with much more spread than the other, and turned."""
    rng = np.random.default_rng(seed)
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    x = rng.normal(size=(256, 2)) * (1.0, 0.22) @ turn
    return LeastSquares(x, x @ np.array([1.0, 2.0]) + rng.normal(0.0, 0.2, 256))


def paths(valley: LeastSquares, seed: int) -> dict[str, Floats]:
    """Give the parameters on each of the ways, shape (steps, 2)."""
    batches = fl.minibatches(valley.x, valley.y, batch_size=8, rng=seed)
    everything = [(valley.x, valley.y)]
    return {
        "batch": _path(valley, everything, lambda theta: fl.SGD(theta, lr=0.8)),
        "minibatches of 8": _path(valley, batches, lambda theta: fl.SGD(theta, lr=0.3)),
        "momentum 0.8": _path(valley, everything, lambda theta: fl.SGD(theta, lr=0.15, momentum=0.8)),
    }


def _path(valley: LeastSquares, data: Iterable[Any], optimizer: Callable[[Floats], fl.SGD]) -> Floats:
    theta = valley.solution() + np.array([-2.2, 0.4])
    way = [theta.copy()]
    fl.minimize(
        valley.value_and_grad,
        theta,
        optimizer=optimizer,
        data=data,
        steps=STEPS,
        callback=lambda state: way.append(state.params.copy()),
    )
    return np.array(way)
