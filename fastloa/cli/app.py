"""The commands and their options; the work is done in the modules they name, imported when they are called."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fastloa.cli.console import fail

app = typer.Typer(
    help="Fast losses, optimisers and activations for NumPy and CuPy arrays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Names = list[str] | None


def _version(wanted: bool) -> None:
    if wanted:
        from fastloa import __version__

        typer.echo(f"fastloa {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fast losses, optimisers and activations for NumPy and CuPy arrays."""


@app.command()
def demo(
    backend: Annotated[str, typer.Option(help="Where to train: auto, cpu, cuda or cupy.")] = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 30,
    output: Annotated[Path, typer.Option(help="The directory for the picture.")] = Path("fastloa-demo"),
    seed: Annotated[int, typer.Option(min=0, help="What split, weights and batches are drawn from.")] = 0,
    table: Annotated[bool, typer.Option("--table/--no-table", help="Measure the operations' speed at the end.")] = True,
) -> None:
    """Train a network on handwritten digits, draw how it learns, and see how fast the operations are."""
    try:
        from fastloa.cli import demo as command
    except ModuleNotFoundError as error:
        fail(f"the demo needs {error.name}: pip install 'fastloa[demo]'")
    command.run(backend, epochs, output, seed, table=table)


@app.command()
def bench(
    op: Annotated[Names, typer.Option(help="Operations, such as relu or relu.backward; all by default.")] = None,
    size: Annotated[Names, typer.Option(help="Sizes: elements (1000000, 1e6) or rows and columns (8192x1000).")] = None,
    dtype: Annotated[Names, typer.Option(help="float32 (default), float64, float16 or bfloat16.")] = None,
    backend: Annotated[Names, typer.Option(help="Backends; all that can run here by default.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Samples of each competitor.")] = 9,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare with what is installed of PyTorch, JAX and numexpr as well.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compare with torch.compile, too, which takes seconds for each.")
    ] = False,
    allocate: Annotated[
        bool, typer.Option("--allocate", help="Let every call allocate its result, instead of giving it one.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the machine and all results to this file.")] = None,
) -> None:
    """Measure the throughput of every operation: GB/s, share of a copy's, and against NumPy and other libraries.

    Options may be repeated, or take several values with commas: --op relu,sigmoid.
    """
    from fastloa.cli import bench as command

    chosen = command.choose(
        _split("--op", op), _split("--size", size), _split("--dtype", dtype), _split("--backend", backend)
    )
    command.run(chosen, command.Settings(repeat, command.peers(compare, compiled), allocate), json)


@app.command()
def warmup(
    op: Annotated[Names, typer.Option(help="Operations, such as relu or relu.backward; all by default.")] = None,
    dtype: Annotated[Names, typer.Option(help="float32 (default), float64, float16 or bfloat16.")] = None,
    backend: Annotated[Names, typer.Option(help="Backends; all that can run here by default.")] = None,
) -> None:
    """Compile ahead: what is called later with the usual options starts from the disk.

    Options may be repeated, or take several values with commas: --op relu,sigmoid.
    """
    try:
        from fastloa.cli import warmup as command
    except ModuleNotFoundError as error:
        fail(f"warmup needs {error.name}: pip install 'fastloa[demo]'")
    command.run(_split("--op", op), _split("--dtype", dtype), _split("--backend", backend))


@app.command()
def accuracy(
    op: Annotated[Names, typer.Option(help="Operations, such as tanh or tanh.derivative; all by default.")] = None,
    dtype: Annotated[Names, typer.Option(help="float32, float64, float16 or bfloat16; all by default.")] = None,
    points: Annotated[float, typer.Option(help="How many results of each to compare where not all are.")] = 1e6,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Walk all 2**32 float32 numbers of functions of one number.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(help="Write all results to this file; an interrupted run goes on from it.")
    ] = None,
) -> None:
    """Measure how far every operation and derivative is from its exact result, beside other libraries.

    Of 16 bits all numbers are tried. Options may be repeated, or take several values with commas.
    """
    try:
        from fastloa.cli import accuracy as command
    except ModuleNotFoundError as error:
        fail(f"accuracy needs {error.name}: pip install 'fastloa[demo]'")
    chosen = command.choose(_split("--op", op), _split("--dtype", dtype), points, exhaustive=exhaustive)
    command.run(chosen, json)


@app.command()
def info(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Print versions, backends (and why one is missing), threads and caches."""
    from fastloa.config import config, show_config

    if as_json:
        typer.echo(json.dumps(config(), indent=2))
    else:
        show_config()


def _split(option: str, given: Names) -> list[str]:
    """What a repeated option and commas name together; nothing, where it is not given."""
    names = [name.strip() for text in given or [] for name in text.split(",") if name.strip()]
    if given and not names:  # which would be all, and an unset variable of the shell is none
        fail(f"{option} must name something, got {','.join(given)!r}")
    return names
