"""The axis of engines: every property is asked of the CPU and, where there is a device, of both GPU engines.

Rows for a GPU that is not there are left out and counted; the last line of a run says how many. Which backends there are
is asked once, in a process of its own, so that the tests' processes import no GPU library.
"""

import pytest

from tests.harness import python

ENGINES = ("cpu", "cupy", "cuda")
AVAILABLE, LEFT = pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption(
        "--engine", action="append", choices=ENGINES, help="run only the rows of this engine, and no other test"
    )


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.stash[AVAILABLE] = config.workerinput["backends"]
    else:
        config.stash[AVAILABLE] = python("import fastloa\nprint(*fastloa.available_backends())").split()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["backends"] = node.config.stash[AVAILABLE]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out the rows of engines that are not there, or not asked for; what is not run costs no time.

    The rest are put in the order in which they share most: each process takes a stretch of them.
    """
    asked = config.getoption("engine") or (None, *ENGINES)
    there = {name for name in asked if name in (None, *config.stash[AVAILABLE])}
    left = [item for item in items if engine_of(item) not in there]
    if left:
        chosen = set(left)
        items[:] = [item for item in items if item not in chosen]
        config.hook.pytest_deselected(items=left)
    config.stash[LEFT] = len(left)
    places = {}
    for place, item in enumerate(items):
        shared = item.get_closest_marker("shares")
        begins = -1 if item.get_closest_marker("first") else place
        places[item] = places.setdefault(shared.args, begins) if shared else begins
    items.sort(key=places.get)


def engine_of(item):
    """Give the engine whose row a test is, or None."""
    given = getattr(item, "callspec", None)
    named = (given.params[name] for name in ("engine", "gpu") if name in given.params) if given else ()
    return next((name for name in named if name in ENGINES), None)


@pytest.fixture(params=ENGINES)
def engine(request):
    """Give the options that send a call to an engine: nothing at all for the CPU, which NumPy arrays go to anyway."""
    return {} if request.param == "cpu" else {"backend": request.param}


@pytest.fixture(params=ENGINES[1:])
def gpu(request):
    """Give the name of a GPU engine."""
    return request.param


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(LEFT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT] = getattr(node, "workeroutput", {}).get("left", 0)


def pytest_terminal_summary(terminalreporter):
    count = terminalreporter.config.stash.get(LEFT, 0)
    if count:
        terminalreporter.write_line(f"rows of GPU engines left out for want of a device: {count}", yellow=True)
