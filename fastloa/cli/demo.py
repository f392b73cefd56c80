"""``fastloa demo``: a network learns to read digits, a picture of how, and how fast the operations are."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm.auto import tqdm

import fastloa as fl
from fastloa.cli import mlp
from fastloa.cli.bench_report import ABSENT, duration, times
from fastloa.cli.console import console, fail
from fastloa.stopping import State
from fastloa.training import Result

SIZES = (64, 256, 128, 10)
LECTURE = (
    "sigmoid", "softmax", "tanh", "relu", "leaky_relu", "elu", "l1_loss.value_and_grad", "mse_loss.value_and_grad",
    "binary_cross_entropy_with_logits.value_and_grad", "cross_entropy.value_and_grad", "SGD(momentum=0.9).step",
    "AdamW.step",
)  # fmt: skip


@dataclass(frozen=True)
class Digits:
    """1797 images of 8 x 8 pixels, each a row of 64 numbers around 0, and the digits they show."""

    x_train: Any
    y_train: Any
    x_test: Any
    y_test: Any


def run(backend: str, epochs: int, output: Path, seed: int, *, table: bool) -> None:
    """Run the demo."""
    try:
        chosen = fl.use_backend(backend)
    except (ValueError, RuntimeError) as error:
        fail(error)
    with chosen:
        result, accuracies = learn(_digits(backend, seed), backend, epochs, seed)
    if accuracies:
        draw(output, result, accuracies, seed)
    if table:
        throughput()


def _digits(backend: str, seed: int) -> Digits:
    """Load the images, one in five for the test, and bring them to where the backend computes."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        (images / 16.0).astype(np.float32), labels.astype(np.int64), test_size=0.2, random_state=seed, stratify=labels
    )
    middle = x_train.mean(axis=0)
    arrays = [x_train - middle, y_train, x_test - middle, y_test]
    return Digits(*(arrays if backend == "auto" else fl.to_backend(arrays, backend)))


def learn(
    digits: Digits, backend: str, epochs: int, seed: int
) -> tuple[Result[mlp.Params], list[tuple[int, float, float]]]:
    """Train the network, printing its accuracy after every epoch."""
    params = mlp.initial(SIZES, np.random.default_rng(seed))
    if backend != "auto":
        params = fl.to_backend(params, backend)
    batches = -(-len(digits.x_train) // mlp.BATCH_SIZE)
    accuracies: list[tuple[int, float, float]] = []

    def report(state: State) -> None:
        if (state.step + 1) % batches:
            return
        train, test = (
            mlp.accuracy(params, x, y) for x, y in ((digits.x_train, digits.y_train), (digits.x_test, digits.y_test))
        )
        accuracies.append((state.epoch + 1, train, test))
        tqdm.write(f"{state.epoch + 1:5d}  {float(state.value):8.4f}  {train:14.4f}  {test:13.4f}", file=sys.stdout)

    network, images = "-".join(map(str, SIZES)), len(digits.x_train)
    print(f"A perceptron of {network} units learns {images} images of digits on {fl.get_backend(params[0])}")
    print("epoch      loss  train accuracy  test accuracy")
    # Threads cost more than they bring on matrices as small as these, and far more on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        start = time.perf_counter()
        result = mlp.train(
            params, digits.x_train, digits.y_train, epochs=epochs, seed=seed, callback=report,
            progress=sys.stderr.isatty(),
        )  # fmt: skip
    test = f", test accuracy {accuracies[-1][2]:.4f}" if accuracies else ""
    print(f"{result.steps} steps in {time.perf_counter() - start:.1f} s ({result.reason}){test}")
    return result, accuracies


def draw(output: Path, result: Result[mlp.Params], accuracies: list[tuple[int, float, float]], seed: int) -> None:
    """Draw the picture, or say why not."""
    try:
        from fastloa.cli import picture

        print(f"picture: {picture.draw(output, result.history, accuracies, seed)}")
    except ModuleNotFoundError as error:
        print(f"no picture: {error.name} is not installed: pip install 'fastloa[demo]'")
    except OSError as error:
        print(f"no picture: cannot write to {output}: {error.strerror or error}")


def throughput() -> None:
    """Measure the lecture's operations on a large minibatch, on every backend that can run here."""
    from fastloa.cli import bench, bench_cases

    shape, names, found = (8192, 256), fl.available_backends(), bench_cases.cases()
    table = Table("operation", "NumPy", *names, box=None, pad_edge=False)
    table.title, table.title_justify = f"\nA minibatch of {shape[0]:,} x {shape[1]} float32", "left"
    for name in tqdm(LECTURE, disable=not sys.stderr.isatty(), leave=False):
        points = [bench.point(found[name], shape, np.dtype("float32"), where, bench.Settings(5)) for where in names]
        plain = points[0].times.get("NumPy")
        cells = [points[0].notes.get("NumPy", ABSENT) if plain is None else duration(plain.median)]
        for point in points:
            ours = point.times["fastloa"].median
            cells.append(duration(ours) + (f" ({times(plain.median / ours)} x)" if plain else ""))
        table.add_row(name, *cells)
    console().print(table)
    print("Every result was compared with NumPy's before it was timed. `fastloa bench` measures more.")
