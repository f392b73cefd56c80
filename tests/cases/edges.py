"""Where functions are asked: the hard points that several operations share, and how to write down others."""

import numpy as np

from tests.cases.kinds import DTYPES


def same(*points):
    return dict.fromkeys(DTYPES, points)


def near(*points):
    """Give the points and their neighbours."""
    return {
        dtype: tuple(float(np.nextafter(scalar(x), scalar(end))) for x in points for end in (-np.inf, x, np.inf))
        for dtype, scalar in (("float32", np.float32), ("float64", np.float64))
    }


def scaled(edges, factor):
    return {dtype: tuple(factor * x for x in own) for dtype, own in edges.items()}


def joined(*edges):
    return {dtype: tuple(x for own in edges for x in own[dtype]) for dtype in DTYPES}


def squares():
    """Give roots of the numbers next to which squares leave the dtype."""
    infos = {dtype: np.finfo(dtype) for dtype in DTYPES}
    return {
        dtype: tuple(float(x) ** 0.5 for x in (info.max, info.tiny, info.smallest_subnormal))
        for dtype, info in infos.items()
    }


# Where exp, or its square, leaves the numbers of the dtype.
EXP_EDGES = {
    "float32": (88.72283, 88.722839, 88.8, 87.33654, 103.27893, 103.97207, 103.9721, 104.5, 16.635532, 17.5, 1e30),
    "float64": (709.782712893384, 709.7827128933841, 709.9, 708.396418532264, 744.4400719213812, 745.1332191019411,
                745.1332191019412, 746.0, 36.7368005696771, 37.5, 1e300),
}  # fmt: skip
EXP_RANGE = {"float32": (-110.0, 110.0), "float64": (-760.0, 760.0)}
BELOW = {dtype: tuple(-x for x in edges) for dtype, edges in EXP_EDGES.items()}
BOTH = {dtype: edges + BELOW[dtype] for dtype, edges in EXP_EDGES.items()}
HALVED = scaled(BOTH, 0.5)
ROOT_EDGES = {  # where squares of x, or of their reciprocals, leave the numbers
    "float32": (1.8446744e19, -1.8446744e19, -9.2e18, -3e22, -1e-20, 1e30, -1e30),
    "float64": (1.3407807929942597e154, -1.3407807929942597e154, -6.7e153, -3e161, -1e-155, 1e300, -1e300),
}
PROBABILITIES = {  # beside 0, 1 and subnormals: next to 1, and where 1 / p**2 leaves the numbers
    "float32": (0.0, 1.0, 0.5, 1.0 - 2.0**-24, 2.0**-24, 2.0**-63, 2.0**-65, 2.0**-126, 2.0**-149, 1e-30),
    "float64": (0.0, 1.0, 0.5, 1.0 - 2.0**-53, 2.0**-53, 2.0**-511, 2.0**-513, 2.0**-1022, 2.0**-1074, 1e-200),
}
REALS = {
    "float32": (0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-38, 1.5e19, -1.8446744e19, 1.8e19, 3.4028235e38, -3.4028235e38,
                np.inf, -np.inf),
    "float64": (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2e-308, 1.3e154, -1.3407807929942597e154, 1.3e154,
                1.7976931348623157e308, -1.7976931348623157e308, np.inf, -np.inf),
}  # fmt: skip
SUBNORMAL = {"float32": (3e-41,), "float64": (1e-320,)}
GREATEST = {"float32": (3.4028235e38,), "float64": (1.7976931348623157e308,)}
THIRD = {dtype: tuple(-x / 3 for x in edges) for dtype, edges in GREATEST.items()}  # what it lies too far from
FACTORS = {  # the ends of the numbers, and some whose products leave them
    "float32": (0.0, -0.0, 1.0, -3.0, 1e-45, -1e-38, 1e-19, 3e18, -1e30, 3.4028235e38, np.inf, -np.inf),
    "float64": (0.0, -0.0, 1.0, -3.0, 5e-324, -1e-308, 1e-154, 3e150, -1e200, 1.7976931348623157e308, np.inf, -np.inf),
}
# Numbers whose distance from the least target leaves the dtype, and half of it does not.
RESIDUALS = joined(REALS, {"float32": (1e34, 1e37, 1e25), "float64": (1e292, 1e307, 1e25)})
RESIDUAL_TARGETS = {
    "float32": (0.0, -0.0, 1.0, 1e-30, -0.027, -3.4028235e38, np.inf),
    "float64": (0.0, -0.0, 1.0, 1e-30, -0.027, 1e9, -1.7976931348623157e308, np.inf),
}


def residuals(*widths):
    """Give any numbers, and those that are so far from a target, with their neighbours."""
    ends = (target + sign * width for width in widths for target in (0.0, 1.0, -0.027) for sign in (-1.0, 1.0))
    return joined(RESIDUALS, near(*ends))
