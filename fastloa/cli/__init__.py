"""The command line: ``fastloa demo``, ``bench``, ``warmup``, ``accuracy`` and ``info``."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

NEEDED = ("rich", "typer")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with its status: 0, 1 for what cannot be done, 2 for what cannot be understood.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; the process's own arguments by default.
    """
    try:
        from fastloa.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        print("fastloa: the command line needs its extra: pip install 'fastloa[demo]'", file=sys.stderr)
        sys.exit(1)
    if sys.stdout is None:  # the process was started without
        sys.stdout = _nowhere()
    try:
        status = app(arguments, prog_name="fastloa", standalone_mode=False)
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        # Standard output has no name, and those of files are told where they are named.
        sys.stdout = _nowhere()  # for Python writes what is left once more as it ends
        if not isinstance(error, BrokenPipeError):  # who reads no more needs no word
            print(f"fastloa: cannot write: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what the parser of arguments raises
            raise
        message = " ".join(error.format_message().split())
        if message:
            print(f"fastloa: {message}", file=sys.stderr)
        sys.exit(error.exit_code)  # type: ignore[attr-defined]
    sys.exit(status if isinstance(status, int) else 0)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
