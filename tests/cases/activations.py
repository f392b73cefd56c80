"""The cases of activations."""

from tests.cases.edges import BOTH, EXP_RANGE, FACTORS, HALVED, ROOT_EDGES, joined, near, same, scaled, squares
from tests.cases.kinds import HALF, ActivationCase, GatedCase, RowCase

# Where values, and then derivatives, become subnormal, and where half of the least number is left of them.
SELU_EDGES = {
    "float32": (-87.900778, -103.84316, -104.53631),
    "float64": (-708.9606518378074, -745.0043052269245, -745.6974524074845),
}
SILU_EDGES = {
    "float32": (-91.85677, -107.96069, -108.66029, -108.66031, -91.84571, -107.9513, -108.65096, -108.65098),
    "float64": (-714.9686572379664, -751.0615595398791, -751.7556304135236, -751.7556304135239,
                -714.9672556330942, -751.0602254252547, -751.754297533108, -751.7542975331082),
}  # fmt: skip
QUICK_GELU_EDGES = {
    "float32": (-53.653996, -63.11628, -63.527346, -63.527353, -53.9634, -63.426147, -63.83723, -63.837237),
    "float64": (-419.76269569542547, -440.96888733494617, -441.37668494340164, -441.3766849434018,
                -420.0747682920648, -441.2809785107254, -441.68877645892135, -441.68877645892153),
}  # fmt: skip
GELU_EDGES = {  # as it is, then with tanh
    "float32": (-13.146247, -14.307702, -14.356067, -14.356069, -13.341882, -14.493373, -14.541348, -14.54135,
                -10.100637, -10.744489, -10.770867, -10.770869, -10.235, -10.868556, -10.894518, -10.89452, 5.5, 1e30, -1e30),
    "float64": (-37.61586831395599, -38.5621695976395, -38.58014022378235, -38.58014022378237,
                -37.712246339735586, -38.65682831931059, -38.67476695717341, -38.67476695717343,
                -21.176880251785221, -21.540205952946505, -21.54707541043602, -21.54707541043603,
                -21.223777387906056, -21.58589183252297, -21.592738857625537, -21.592738857625545, 8.5, 1e300, -1e300),
}  # fmt: skip
# Numbers whose gates another factor brings back to the numbers of the dtype, or not quite.
OUT_OF_SIGHT = {
    "float32": (-120.0, -150.3, -174.2, -185.0, -240.0, -280.0, -300.0),
    "float64": (-800.0, -1100.3, -1416.2, -1450.0, -1800.0, -2100.0, -2200.0),
}
GELU_OUT_OF_SIGHT = {
    "float32": (-15.5, -17.8, -18.7, -19.4, -21.0, -23.4, -24.5, -11.7, -13.2, -14.9),
    "float64": (-40.3, -47.1, -52.9, -53.6, -58.0, -64.2, -66.3, -22.5, -27.3, -29.4),
}
TANHSHRINK_EDGES = {
    "float32": (3.2792958e-13, 1.6139273e-15, 1.2809749e-15, 1.2809748e-15),
    "float64": (4.0565350118095865e-103, 2.4564162998551826e-108, 1.9496589092309746e-108, 1.9496589092309742e-108),
}
# Zeros of snake's derivative, and numbers where its sine is 0 or greatest; then those whose doubles are nearest of all
# numbers to a multiple of a quarter turn.
SNAKE_EDGES = joined(
    near(*(n * 0.7853981633974483 for n in (-1, 3, 7, 99, 2, 4, -2, -4, 1000002))),
    near(*(n * 0.7853981633974483 / 0.3 for n in (-1, 3, 7, 99, 2, 4, -2, -4))),
    {
        "float32": (16367173 * 2.0**71, -16367173 * 2.0**71, 1e30),
        "float64": (6381956970095103 * 2.0**796, -6381956970095103 * 2.0**796, 1e300),
    },
)

CASES = (
    ActivationCase(
        "relu", same(-1e4, 1e4), kinks=lambda: {0.0: 0.0}, value=HALF, derivative=HALF, outputs=lambda: (0.0, 1e4)
    ),
    ActivationCase(
        "leaky_relu", same(-1e4, 1e4), options=({}, {"negative_slope": 0.3}, {"negative_slope": 0.0}),
        defaults={"negative_slope": 0.01}, kinks=lambda negative_slope: {0.0: negative_slope}, value=HALF, derivative=HALF,
        outputs=lambda negative_slope: (-1e4, 1e4),
    ),
    ActivationCase(
        "rrelu", same(-1e4, 1e4), options=({"lower": 0.125, "upper": 0.375}, {"lower": 0.0, "upper": 0.0}),
        defaults={"lower": 1 / 8, "upper": 1 / 3}, kinks=lambda lower, upper: {0.0: (lower + upper) / 2}, value=HALF, derivative=HALF,
        outputs=lambda lower, upper: (-1e4, 1e4),
    ),
    ActivationCase(
        "relu6", same(-2.0, 8.0), near(6.0), kinks=lambda: {0.0: 0.0, 6.0: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda: (0.0, 6.0),
    ),
    ActivationCase(
        "squared_relu", same(-1e3, 1e3), squares(), keeps_zero=False, value=HALF, derivative=HALF,
        outputs=lambda: (0.0, 100.0),
    ),
    ActivationCase(
        "threshold", same(-10.0, 10.0), near(0.5, -1.25),
        options=({"threshold": 0.5, "value": -1.0}, {"threshold": -1.25, "value": 20.3}),
        kinks=lambda threshold, value: {threshold: 0.0}, value=HALF, derivative=HALF,
    ),
    ActivationCase(
        "hardtanh", same(-4.0, 4.0), near(1.0, -1.0, 2.0, -0.3), options=({}, {"min_val": -0.3, "max_val": 2.0}),
        defaults={"min_val": -1.0, "max_val": 1.0}, kinks=lambda min_val, max_val: {min_val: 0.0, max_val: 0.0}, value=HALF,
        derivative=HALF, outputs=lambda min_val, max_val: (min_val, max_val),
    ),
    ActivationCase(
        "hardsigmoid", same(-5.0, 5.0), near(3.0, -3.0, 2.0, -2.0), options=({}, {"slope": 0.25}),
        defaults={"slope": 1 / 6}, kinks=lambda slope: {-0.5 / slope: 0.0, 0.5 / slope: 0.0}, keeps_zero=False,
        derivative=HALF,
    ),
    ActivationCase(
        "hardswish", same(-5.0, 5.0), near(3.0, -3.0, 2.0, -2.0), options=({}, {"slope": 0.25}), defaults={"slope": 1 / 6},
        kinks=lambda slope: {-0.5 / slope: 0.0, 0.5 / slope: 1.0}, zeros=(-1.5, -1.0),
    ),
    ActivationCase(
        "hardshrink", same(-4.0, 4.0), near(0.5, -0.5, 0.3, -0.3), options=({}, {"lambd": 0.3}, {"lambd": 0.0}),
        defaults={"lambd": 0.5}, kinks=lambda lambd: {lambd: 0.0, -lambd: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda lambd: (-4.0, 4.0),
    ),
    ActivationCase(
        "softshrink", same(-4.0, 4.0), near(0.5, -0.5, 0.3, -0.3), options=({}, {"lambd": 0.3}, {"lambd": 0.0}),
        defaults={"lambd": 0.5}, kinks=lambda lambd: {lambd: 0.0, -lambd: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda lambd: (-4.0, 4.0),
    ),
    ActivationCase(
        "sparse_plus", same(-2.0, 2.0), near(1.0, -1.0), keeps_zero=False, derivative=HALF, outputs=lambda: (0.0, 2.0)
    ),
    ActivationCase(
        "elu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, BOTH,
        options=({}, {"alpha": 0.3}, {"alpha": 1e20}), defaults={"alpha": 1.0}, kinks=lambda alpha: {0.0: alpha},
        outputs=lambda alpha: (-0.25, 20.0),
    ),
    ActivationCase(
        "selu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, joined(BOTH, SELU_EDGES),
        kinks=lambda: {0.0: 1.7580993408473768}, outputs=lambda: (-1.0, 20.0),
    ),
    ActivationCase(
        "celu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, joined(BOTH, scaled(BOTH, 0.3)),
        options=({}, {"alpha": 0.3}, {"alpha": 1e20}), defaults={"alpha": 1.0}, kinks=lambda alpha: {0.0: 1.0},
        outputs=lambda alpha: (-min(alpha, 1.0) / 2, 20.0),
    ),
    ActivationCase("sigmoid", EXP_RANGE, BOTH, keeps_zero=False, outputs=lambda: (0.0, 1.0)),
    ActivationCase("logsigmoid", EXP_RANGE, BOTH, keeps_zero=False, outputs=lambda: (-40.0, 0.0)),
    ActivationCase(
        "softplus", EXP_RANGE, joined(BOTH, scaled(BOTH, 1 / 0.3), scaled(BOTH, 1 / 7), near(20.0, 4.0)),
        options=({}, {"beta": 0.3}, {"beta": 7.0}, {"threshold": 20.0}, {"beta": 0.5, "threshold": 2.0}),
        defaults={"beta": 1.0, "threshold": None}, keeps_zero=False, outputs=lambda beta, threshold: (0.0, 40.0),
    ),
    ActivationCase(
        "squareplus", same(-100.0, 100.0), ROOT_EDGES, options=({}, {"b": 0.3}, {"b": 1e-20}, {"b": 1e20}),
        defaults={"b": 4.0}, keeps_zero=False,
    ),
    ActivationCase(
        "tanh", {"float32": (-55.0, 55.0), "float64": (-380.0, 380.0)}, HALVED, outputs=lambda: (-1.0, 1.0)
    ),
    ActivationCase("softsign", same(-100.0, 100.0), ROOT_EDGES),
    ActivationCase(
        "tanhshrink", {"float32": (-12.0, 12.0), "float64": (-25.0, 25.0)},
        joined(TANHSHRINK_EDGES, scaled(TANHSHRINK_EDGES, -1.0), squares(), near(1.5, -1.5)),
    ),
    ActivationCase(
        "snake", same(-100.0, 100.0), SNAKE_EDGES, options=({}, {"alpha": 0.3}, {"alpha": 1e-20}), defaults={"alpha": 1.0}
    ),
    ActivationCase(
        "softcap", {"float32": (-1650.0, 1650.0), "float64": (-11400.0, 11400.0)},
        joined(scaled(HALVED, 30.0), scaled(HALVED, 0.3)), options=({}, {"cap": 0.3}, {"cap": 1e20}), defaults={"cap": 30.0},
        outputs=lambda cap: (-cap, cap),
    ),
    ActivationCase("silu", EXP_RANGE, joined(BOTH, SILU_EDGES), zeros=(-1.2784645,)),
    ActivationCase(
        "quick_gelu", {"float32": (-65.0, 65.0), "float64": (-450.0, 450.0)},
        joined(scaled(BOTH, 1 / 1.702), QUICK_GELU_EDGES), zeros=(-0.7511543,),
    ),
    ActivationCase(
        "gelu", {"float32": (-14.0, 10.0), "float64": (-39.0, 10.0)}, GELU_EDGES, options=({}, {"approximate": "tanh"}),
        defaults={"approximate": "none"}, zeros=(-0.7517915, -0.7524614),
    ),
    ActivationCase("mish", EXP_RANGE, joined(BOTH, SILU_EDGES), zeros=(-1.1924312,)),
    GatedCase(
        "glu", same(-100.0, 100.0), EXP_RANGE, FACTORS, joined(FACTORS, SILU_EDGES, BOTH, OUT_OF_SIGHT), given="halves"
    ),
    GatedCase(
        "swiglu", EXP_RANGE, same(-100.0, 100.0), joined(FACTORS, SILU_EDGES, BOTH, OUT_OF_SIGHT), FACTORS,
        zeros=(-1.2784645,),
    ),
    GatedCase(
        "geglu", {"float32": (-14.0, 10.0), "float64": (-39.0, 10.0)}, same(-100.0, 100.0),
        joined(FACTORS, GELU_EDGES, GELU_OUT_OF_SIGHT), FACTORS, options=({}, {"approximate": "tanh"}),
        defaults={"approximate": "none"}, zeros=(-0.7517915, -0.7524614),
    ),
    GatedCase("reglu", same(-100.0, 100.0), same(-100.0, 100.0), FACTORS, FACTORS, value=HALF),
    GatedCase("prelu", same(-100.0, 100.0), same(-3.0, 3.0), FACTORS, FACTORS, given="channels", value=HALF),
    RowCase("softmax"),
    RowCase("log_softmax"),
    RowCase("softmin"),
    RowCase("sparsemax"),
)  # fmt: skip
