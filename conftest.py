"""What every docstring's example may use without importing it."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _numpy_in_docstrings(doctest_namespace):
    doctest_namespace["np"] = np
