"""What tests of single floats are made of: mpmath in 50 digits, errors in ulp, and messages word for word."""

import math
import re

import mpmath
import pytest

mp = mpmath.MPContext()  # one of our own: nobody else's precision matters, nor does ours to anybody
mp.dps = 50


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def assert_close(got, reference, ulp, scale=None):
    """Compare a float with an mpmath number, in units of the last place: of `scale` where terms of its size cancel."""
    assert type(got) is float
    unit = math.ulp(float(reference) if scale is None else scale)
    assert abs(mp.mpf(got) - reference) <= ulp * unit, (got, reference)
