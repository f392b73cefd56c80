"""How the commands speak: tables on standard output, one line of error on the other."""

import sys
from typing import NoReturn

import typer
from rich.console import Console


def console() -> Console:
    """Standard output as it is now; tables keep their width where it is no terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False)


def fail(message: object) -> NoReturn:
    """Say in one line what cannot be done, and leave."""
    typer.echo(f"fastloa: {message}", err=True)
    raise typer.Exit(1)
