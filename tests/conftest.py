"""The axis of engines: every property is asked of the CPU and, where there is a device, of both GPU engines.

Rows for a GPU that is not there are skipped and counted; the last line of a run says how many. Which backends there are
is asked once, in a process of its own, so that the tests' processes import no GPU library.
"""

import pytest

from tests.harness import python

ENGINES = ("cpu", "cupy", "cuda")
NO_DEVICE = "no device for"
AVAILABLE = pytest.StashKey()


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.stash[AVAILABLE] = config.workerinput["backends"]
    else:
        config.stash[AVAILABLE] = python("import fastloa\nprint(*fastloa.available_backends())").split()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["backends"] = node.config.stash[AVAILABLE]


@pytest.fixture(params=ENGINES)
def engine(request):
    """Give the options that send a call to an engine: nothing at all for the CPU, which NumPy arrays go to anyway."""
    name = request.param
    if name not in request.config.stash[AVAILABLE]:
        pytest.skip(f"{NO_DEVICE} {name}")
    return {} if name == "cpu" else {"backend": name}


@pytest.fixture(params=ENGINES[1:])
def gpu(request):
    """Give the name of a GPU engine."""
    if request.param not in request.config.stash[AVAILABLE]:
        pytest.skip(f"{NO_DEVICE} {request.param}")
    return request.param


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(NO_DEVICE in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"GPU rows skipped for want of a device: {count}", yellow=True)
