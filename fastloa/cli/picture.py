"""The demo's picture: how the network learned, and three ways down a valley. No display is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fastloa.cli import descent
from fastloa.training import History

NAME = "fastloa-demo.png"


def draw(directory: Path, history: History, accuracies: Sequence[tuple[int, float, float]], seed: int) -> Path:
    """Draw into a directory, which is made if need be, and give the picture's path.

    `accuracies` are an epoch's number with the shares of training and of test images read right.
    """
    directory.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(15.0, 4.6), dpi=110, layout="constrained")
    loss, accuracy, valley = figure.subplots(1, 3)
    _draw_loss(loss, history)
    _draw_accuracy(accuracy, accuracies)
    _draw_paths(valley, seed)
    path = directory / NAME
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(str(path))
    return path


def _draw_loss(axes: Any, history: History) -> None:
    axes.plot(history.step, history.value, lw=0.6, alpha=0.5, label="minibatches")
    epochs = np.unique(history.epoch)
    means = [history.value[history.epoch == epoch].mean() for epoch in epochs]
    middles = [history.step[history.epoch == epoch].mean() for epoch in epochs]
    axes.plot(middles, means, lw=1.8, label="mean of an epoch")
    axes.set(title="Cross entropy", xlabel="step", ylabel="loss")
    axes.legend(loc="upper right")
    if history.lr is not None:
        rate = axes.twinx()
        rate.plot(history.step, history.lr, color="grey", lw=0.8, ls="--")
        rate.set_ylabel("learning rate (dashed)", color="grey")


def _draw_accuracy(axes: Any, accuracies: Sequence[tuple[int, float, float]]) -> None:
    epochs, train, test = zip(*accuracies, strict=True)
    axes.plot(epochs, train, marker=".", label="training images")
    axes.plot(epochs, test, marker=".", label=f"test images: {test[-1]:.4f}")
    axes.set(title="Accuracy", xlabel="epoch", ylabel="share read right", ylim=(max(0.0, min(test) - 0.02), 1.005))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)


def _draw_paths(axes: Any, seed: int) -> None:
    valley = descent.problem(seed)
    ways = descent.paths(valley, seed)
    low, high = (bound(np.vstack(list(ways.values())), axis=0) for bound in (np.min, np.max))
    margin = 0.12 * (high - low)
    grid = np.stack(np.meshgrid(*np.linspace(low - margin, high + margin, 160).T), axis=-1)
    values = valley.values(grid)
    levels = np.geomspace(values.min() * 1.02, values.max(), 14)
    axes.contour(grid[..., 0], grid[..., 1], values, levels=levels, colors="grey", linewidths=0.5)
    for label, way in ways.items():
        axes.plot(way[:, 0], way[:, 1], marker=".", ms=4, lw=1.2, label=label)
    axes.plot(*valley.solution(), marker="*", ms=14, color="black", ls="", label="minimum")
    axes.set(title=f"Least squares, {descent.STEPS} steps of gradient descent", xlabel="t1", ylabel="t2")
    axes.legend(loc="best", fontsize="small")
