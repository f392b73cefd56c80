"""Every refusal, in full, and that it comes before anything is written."""

import numpy as np
import pytest

import fastloa as fl
from tests import harness

X = np.zeros((2, 3))
LABELS = np.array([0, 2])
OWN = np.zeros((2, 3))


def read_only(shape=(2, 3), dtype=float):
    array = np.zeros(shape, dtype)
    array.flags.writeable = False
    return array


REFUSALS = [
    (lambda: fl.relu([1.0]), TypeError, "relu: x must be a NumPy or CuPy array, got list"),
    (lambda: fl.relu(1.0), TypeError, "relu: x must be a NumPy or CuPy array, got float"),
    (
        lambda: fl.relu(np.ma.array([1.0])), TypeError,
        "relu: x must be a NumPy or CuPy array, got numpy.MaskedArray of shape (1,) and dtype float64",
    ),
    (
        lambda: fl.relu(X.astype(complex)), TypeError,
        "relu: x must be float16, bfloat16, float32, float64, integer or bool, got complex128",
    ),
    (
        lambda: fl.relu(X.astype(object)), TypeError,
        "relu: x must be float16, bfloat16, float32, float64, integer or bool, got object",
    ),
    (
        lambda: fl.tanh.backward(X, X.astype("f")), TypeError,
        "tanh.backward: grad_output and x must have the same dtype, got float64 and float32",
    ),
    (
        lambda: fl.tanh.backward(X, X[0]), ValueError,
        "tanh.backward: grad_output and x must have the same shape, got (2, 3) and (3,)",
    ),
    (lambda: fl.relu(X, out=np.zeros(3)), ValueError, "relu: out must have shape (2, 3), got (3,)"),
    (lambda: fl.relu(X, out=np.zeros((2, 3), "f")), TypeError, "relu: out must be float64, got float32"),
    (lambda: fl.relu(X, out=read_only()), ValueError, "relu: out must be writable, got a read-only array"),
    (lambda: fl.softmax(X, out=read_only()), ValueError, "softmax: out must be writable, got a read-only array"),
    (lambda: fl.softmax(X, axis=2), ValueError, "softmax: axis must be in -2..1 for 2 dimensions, got 2"),
    (lambda: fl.softmax(X, axis=1.0), TypeError, "softmax: axis must be an integer, got float"),
    (lambda: fl.elu(X, alpha=np.nan), ValueError, "elu: alpha must be finite, got nan"),
    (lambda: fl.leaky_relu(X, negative_slope="a"), TypeError, "leaky_relu: negative_slope must be a real number, got str"),
    (
        lambda: fl.leaky_relu.backward_from_output(X, X, negative_slope=-1.0), ValueError,
        "leaky_relu.backward_from_output: negative_slope must be non-negative where only the output is known, got -1.0",
    ),
    (lambda: fl.celu(X, alpha=0), ValueError, "celu: alpha must be positive and finite, got 0"),
    (lambda: fl.softplus(X, beta=0.0), ValueError, "softplus: beta must be positive and finite, got 0.0"),
    (lambda: fl.softplus(X, threshold=np.inf), ValueError, "softplus: threshold must be finite, got inf"),
    (lambda: fl.squareplus(X, b=0.0), ValueError, "squareplus: b must be positive and finite, got 0.0"),
    (lambda: fl.squareplus(X, b=-1.0), ValueError, "squareplus: b must be positive and finite, got -1.0"),
    (lambda: fl.hardsigmoid(X, slope=0.0), ValueError, "hardsigmoid: slope must be positive and finite, got 0.0"),
    (lambda: fl.hardswish(X, slope=-0.2), ValueError, "hardswish: slope must be positive and finite, got -0.2"),
    (
        lambda: fl.hardtanh(X, min_val=2.0, max_val=1.0), ValueError,
        "hardtanh: min_val must be at most max_val, got 2.0 and 1.0",
    ),
    (lambda: fl.hardshrink(X, lambd=-1.0), ValueError, "hardshrink: lambd must be non-negative and finite, got -1.0"),
    (lambda: fl.softshrink(X, lambd=-1.0), ValueError, "softshrink: lambd must be non-negative and finite, got -1.0"),
    (lambda: fl.softcap(X, cap=0.0), ValueError, "softcap: cap must be positive and finite, got 0.0"),
    (lambda: fl.snake(X, alpha=0.0), ValueError, "snake: alpha must be positive and finite, got 0.0"),
    (lambda: fl.gelu(X, approximate="erf"), ValueError, "gelu: approximate must be 'none' or 'tanh', got 'erf'"),
    (lambda: fl.gelu(X, approximate=True), TypeError, "gelu: approximate must be 'none' or 'tanh', got bool"),
    (
        lambda: fl.threshold(X), TypeError,
        "threshold() missing 2 required keyword-only arguments: 'threshold' and 'value'",
    ),
    (lambda: fl.threshold.derivative(X, value=1.0), TypeError, "threshold() missing 1 required keyword-only argument: 'threshold'"),
    (lambda: fl.relu.backward(X), TypeError, "relu.backward: takes grad_output and x, got 1 positional arguments"),
    (
        lambda: fl.relu(X, backend="gpu"), ValueError,
        "relu: backend must be 'auto', 'cpu', 'cupy' or 'cuda', got 'gpu'",
    ),
    (
        lambda: fl.use_backend("gpu"), ValueError,
        "use_backend: name must be 'auto', 'cpu', 'cupy' or 'cuda', got 'gpu'",
    ),
    (
        lambda: fl.mse_loss(np.zeros((3, 1)), np.zeros(3)), ValueError,
        "mse_loss: input and target must have the same shape, got (3, 1) and (3,)",
    ),
    (
        lambda: fl.mse_loss(X, X, reduction="avg"), ValueError,
        "mse_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'",
    ),
    (
        lambda: fl.mse_loss(X, X, sample_weight=np.ones(3)), ValueError,
        "mse_loss: sample_weight must have shape (2, 3), or 1 in place of some of its numbers, got (3,)",
    ),
    (lambda: fl.mse_loss(X, X, weight=np.ones(2)), ValueError, "mse_loss: weight must broadcast to shape (2, 3), got (2,)"),
    (
        lambda: fl.mse_loss(X, X, out=X.copy()), ValueError,
        "mse_loss: out must be None unless reduction is 'none', got an array",
    ),
    (lambda: fl.mse_loss.grad(X, X, out=X.copy()), TypeError, "mse_loss.grad: out is not a result of this call"),
    (lambda: fl.smooth_l1_loss(X, X, beta=-1.0), ValueError, "smooth_l1_loss: beta must be non-negative and finite, got -1.0"),
    (lambda: fl.huber_loss(X, X, delta=0), ValueError, "huber_loss: delta must be positive and finite, got 0"),
    (lambda: fl.huber_loss.grad(X, X, delta=np.nan), ValueError, "huber_loss: delta must be positive and finite, got nan"),
    (lambda: fl.pseudo_huber_loss(X, X, delta=0.0), ValueError, "pseudo_huber_loss: delta must be positive and finite, got 0.0"),
    (lambda: fl.quantile_loss(X, X, quantile=0.0), ValueError, "quantile_loss: quantile must be in (0, 1), got 0.0"),
    (lambda: fl.expectile_loss(X, X, quantile=1.0), ValueError, "expectile_loss: quantile must be in (0, 1), got 1.0"),
    (lambda: fl.fair_loss(X, X, c=0.0), ValueError, "fair_loss: c must be positive and finite, got 0.0"),
    (lambda: fl.tukey_loss(X, X, c=-1.0), ValueError, "tukey_loss: c must be positive and finite, got -1.0"),
    (lambda: fl.mape_loss(X, X, eps=0.0), ValueError, "mape_loss: eps must be positive and finite, got 0.0"),
    (lambda: fl.poisson_nll_loss(X, X, eps=-1.0), ValueError, "poisson_nll_loss: eps must be non-negative and finite, got -1.0"),
    (lambda: fl.poisson_nll_loss(X, X, full=1), TypeError, "poisson_nll_loss: full must be True or False, got int"),
    (
        lambda: fl.poisson_nll_loss.grad(X, X, log_input="no"), TypeError,
        "poisson_nll_loss: log_input must be True or False, got str",
    ),
    (lambda: fl.tweedie_loss(X, X, power=2.0), ValueError, "tweedie_loss: power must be in (1, 2), got 2.0"),
    (lambda: fl.kl_div(X, X, log_target=None), TypeError, "kl_div: log_target must be True or False, got NoneType"),
    (
        lambda: fl.kl_div(X, X, reduction="batch"), ValueError,
        "kl_div: reduction must be 'mean', 'sum', 'none' or 'batchmean', got 'batch'",
    ),
    (
        lambda: fl.mse_loss(X, X, reduction="batchmean"), ValueError,
        "mse_loss: reduction must be 'mean', 'sum' or 'none', got 'batchmean'",
    ),
    (
        lambda: fl.hinge_embedding_loss(X, X, margin=np.inf), ValueError,
        "hinge_embedding_loss: margin must be finite, got inf",
    ),
    (lambda: fl.sigmoid_focal_loss(X, X, alpha=1.5), ValueError, "sigmoid_focal_loss: alpha must be finite and <= 1, got 1.5"),
    (
        lambda: fl.sigmoid_focal_loss(X, X, gamma=-1.0), ValueError,
        "sigmoid_focal_loss: gamma must be non-negative and finite, got -1.0",
    ),
    (
        lambda: fl.softmax_focal_loss(X, np.array([0, 1]), gamma=-1.0), ValueError,
        "softmax_focal_loss: gamma must be non-negative and finite, got -1.0",
    ),
    (
        lambda: fl.softmax_focal_loss(X, X), TypeError,
        "softmax_focal_loss: target must be integer labels of shape (2,), got float64 of shape (2, 3)",
    ),
    (
        lambda: fl.softmax_focal_loss.grad(X, np.array([0, 3])), ValueError,
        "softmax_focal_loss.grad: target must be in 0..2, got 3 at index 1",
    ),
    (
        lambda: fl.poly_loss_cross_entropy(X, np.array([0, 1]), epsilon=np.inf), ValueError,
        "poly_loss_cross_entropy: epsilon must be finite, got inf",
    ),
    (
        lambda: fl.generalized_cross_entropy(X, np.array([0, 1]), q=0.0), ValueError,
        "generalized_cross_entropy: q must be in (0, 1], got 0.0",
    ),
    (
        lambda: fl.epsilon_insensitive_loss(X, X, epsilon=-0.1), ValueError,
        "epsilon_insensitive_loss: epsilon must be non-negative and finite, got -0.1",
    ),
    (
        lambda: fl.squared_epsilon_insensitive_loss(X, X, epsilon=-0.1), ValueError,
        "squared_epsilon_insensitive_loss: epsilon must be non-negative and finite, got -0.1",
    ),
    (
        lambda: fl.binary_cross_entropy(X - 1, X), ValueError,
        "binary_cross_entropy: input must be in [0, 1], got -1.0 at index (0, 0)",
    ),
    (
        lambda: fl.binary_cross_entropy_with_logits(X, X, pos_weight=-1.0), ValueError,
        "binary_cross_entropy_with_logits: pos_weight must be non-negative and finite, got -1.0",
    ),
    (
        lambda: fl.cross_entropy(X, np.array([0, 3])), ValueError,
        "cross_entropy: target must be in 0..2, got 3 at index 1",
    ),
    (lambda: fl.nll_loss(X, np.array([-1, 0])), ValueError, "nll_loss: target must be in 0..2, got -1 at index 0"),
    (
        lambda: fl.sparsemax_loss.grad(X, np.array([0, -1])), ValueError,
        "sparsemax_loss.grad: target must be in 0..2, got -1 at index 1",
    ),
    (
        lambda: fl.sparsemax_loss(X, LABELS, ignore_index=1.0), TypeError,
        "sparsemax_loss: ignore_index must be an integer in -9223372036854775808..9223372036854775807, got float",
    ),
    (
        lambda: fl.sparsemax_loss(X, LABELS, empty="none"), ValueError,
        "sparsemax_loss: empty must be 'nan', 'zero' or 'raise', got 'none'",
    ),
    (lambda: fl.sparsemax_loss(X, LABELS, check=1), TypeError, "sparsemax_loss: check must be True or False, got int"),
    (
        lambda: fl.cross_entropy(X, LABELS[:1]), ValueError,
        "cross_entropy: target must be integer labels of shape (2,) or floating-point probabilities of shape (2, 3), "
        "got int64 of shape (1,)",
    ),
    (
        lambda: fl.cross_entropy(X, X - 1), ValueError,
        "cross_entropy: target must be in [0, 1], got -1.0 at index (0, 0)",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, label_smoothing=1.5), ValueError,
        "cross_entropy: label_smoothing must be in [0, 1], got 1.5",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, ignore_index=1.0), TypeError,
        "cross_entropy: ignore_index must be an integer in -9223372036854775808..9223372036854775807, got float",
    ),
    (
        lambda: fl.cross_entropy(X, X, ignore_index=1), ValueError,
        "cross_entropy: ignore_index must be left alone with probabilities, got 1",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, weight=np.ones(2)), ValueError,
        "cross_entropy: weight must have shape (3,), got (2,)",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, z_loss=-1.0), ValueError,
        "cross_entropy: z_loss must be non-negative and finite, got -1.0",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, mask=LABELS), TypeError,
        "cross_entropy: mask must be an array of bool, got int64",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, mask=np.ones(3, bool)), ValueError,
        "cross_entropy: mask must have shape (2,), got (3,)",
    ),
    (
        lambda: fl.cross_entropy(X, X, mask=np.zeros(2, bool), empty="raise"), ValueError,
        "cross_entropy: mask must leave a row that counts, got none with a weight",
    ),
    (
        lambda: fl.cross_entropy(X, LABELS, empty="none"), ValueError,
        "cross_entropy: empty must be 'nan', 'zero' or 'raise', got 'none'",
    ),
    (
        lambda: fl.cross_entropy(X, np.array([-100, -100]), empty="raise"), ValueError,
        "cross_entropy: target must hold a label that counts, got none with a weight",
    ),
    (
        lambda: fl.linear_cross_entropy(X, X[:, :2], LABELS), ValueError,
        "linear_cross_entropy: linear_weight must have shape (classes, 3) with at least one class, got (2, 2)",
    ),
    (
        lambda: fl.linear_cross_entropy(X, X.astype("f"), LABELS), TypeError,
        "linear_cross_entropy: input and linear_weight must have the same dtype, got float64 and float32",
    ),
    (
        lambda: fl.linear_cross_entropy(X, X, np.array([0, 1]), linear_bias=np.ones(3)), ValueError,
        "linear_cross_entropy: linear_bias must have shape (2,), got (3,)",
    ),
    (
        lambda: fl.linear_cross_entropy.grad(X, X, LABELS), ValueError,
        "linear_cross_entropy.grad: target must be in 0..1, got 2 at index 1",
    ),
    (
        lambda: fl.linear_cross_entropy(X, X, np.array([0, 1]), batch_chunk_size=0), ValueError,
        "linear_cross_entropy: batch_chunk_size must be an integer >= 1, got 0",
    ),
    (
        lambda: fl.linear_cross_entropy(X, X, np.array([0, 1]), reduction="avg"), ValueError,
        "linear_cross_entropy: reduction must be 'mean', 'sum' or 'none', got 'avg'",
    ),
    (lambda: fl.SGD(X, lr=-1.0), ValueError, "SGD: lr must be non-negative and finite, got -1.0"),
    (lambda: fl.SGD(X, lr=np.inf), ValueError, "SGD: lr must be non-negative and finite, got inf"),
    (
        lambda: fl.SGD(X, nesterov=True), ValueError,
        "SGD: nesterov must come with momentum > 0 and dampening 0, got momentum 0.0 and dampening 0.0",
    ),
    (lambda: fl.Adam(X, betas=(0.9, 1.0)), ValueError, "Adam: betas[1] must be in [0, 1), got 1.0"),
    (lambda: fl.Adam(X, betas=(0.9,)), ValueError, "Adam: betas must be two numbers, got 1"),
    (lambda: fl.Adam([]), ValueError, "Adam: params must hold at least one array, got none"),
    (lambda: fl.Adam(np.arange(3)), TypeError, "Adam: params must be floating-point, got int64"),
    (lambda: fl.AdamW(read_only()), ValueError, "AdamW: params must be writable, got a read-only array"),
    (
        lambda: fl.SGD([X.copy()]).step([X, X]), ValueError,
        "SGD.step: grads must have the structure of params, got 2 arrays",
    ),
    (
        lambda: fl.SGD(X.copy()).step(X.astype("f")), TypeError,
        "SGD.step: grads must be float64 like params, got float32",
    ),
    (
        lambda: fl.adam_step(X.copy(), X, read_only(), X.copy(), step=1), ValueError,
        "adam_step: exp_avg must be writable, got a read-only array",
    ),
    (
        lambda: fl.adam_step(X.copy(), X, X.copy(), X.copy(), step=0), ValueError,
        "adam_step: step must be an integer >= 1, got 0",
    ),
    (lambda: fl.relu(None), TypeError, "relu: x must be a NumPy or CuPy array, got NoneType"),
    (lambda: fl.mse_loss(X, None), TypeError, "mse_loss: target must be a NumPy or CuPy array, got NoneType"),
    (
        lambda: fl.mse_loss.grad_and_hess(X, X, grad_out=OWN, hess_out=OWN), ValueError,
        "mse_loss.grad_and_hess: grad_out and hess_out must be arrays apart, got overlapping memory",
    ),
    (
        lambda: fl.cross_entropy.grad_and_hess(X, LABELS, grad_out=OWN, hess_out=OWN), ValueError,
        "cross_entropy.grad_and_hess: grad_out and hess_out must be arrays apart, got overlapping memory",
    ),
    (
        lambda: fl.cross_entropy(X, np.array([0, 2**64 - 100], np.uint64)), ValueError,
        "cross_entropy: target must be in 0..2, got 9223372036854775807 or more at index 1",
    ),
    (
        lambda: fl.binary_cross_entropy_with_logits(X, X, pos_weight=np.array([1.0, -2.0, 1.0])), ValueError,
        "binary_cross_entropy_with_logits: pos_weight must be non-negative and finite, got -2.0 at index 1",
    ),
    (
        lambda: fl.SGD([X, OWN, X]), ValueError,
        "SGD: params must hold each array once, got params[0] again as params[2]",
    ),
    (lambda: fl.get_backend("x"), TypeError, "get_backend: x must be a NumPy or CuPy array, got str"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not X.any()


@pytest.mark.parametrize("name", ["cupy", "cuda"])
def test_a_backend_that_cannot_run_names_the_function_and_a_remedy(name):
    if name in fl.available_backends():
        pytest.skip("the backend can run here")
    with pytest.raises(RuntimeError, match=rf"^relu: the {name} backend (needs|found) [^\n]+$"):
        fl.relu(X, backend=name)


@pytest.mark.parametrize("name", ["grad_out", "hess_out"])
def test_buffers_are_left_alone_by_a_refusal(name):
    buffer = np.full((2, 3), 7.0)
    with pytest.raises(ValueError, match="target must be in 0"):
        fl.cross_entropy.grad_and_hess(X, np.array([0, 9]), **{name: buffer})
    assert (buffer == 7.0).all()


@pytest.mark.parametrize(("form", "dtype"), harness.FORMS)
def test_few_elements_are_refused_like_many(form, dtype):
    """They are computed out of line, where nothing must slip through: before and after calls that are right."""
    p, x, labels = np.full((2, 3), 0.5, dtype), np.zeros((2, 3), dtype), np.array([0, 2])
    wrong = np.array([[0.5, 0.5, 0.5], [0.5, 1.5, 0.5]], dtype)
    bce, ce = getattr(fl.binary_cross_entropy, form), getattr(fl.cross_entropy, form)
    nothing = np.full((2, 3), np.nan, dtype)
    for _ in range(2):
        for reduction in ("mean", "sum", "none"):
            for arrays, name in (((wrong, p), "input"), ((p, -wrong), "target")):
                with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\], got -?[01].5 at index \("):
                    bce(*arrays, reduction=reduction)
            bce(p, p, reduction=reduction)
            bce(nothing, p, reduction=reduction)  # NaN is passed on
            for bad in (3, -1):
                with pytest.raises(ValueError, match=rf"target must be in 0..2, got {bad} at index 1"):
                    ce(x, np.array([0, bad]), reduction=reduction)
            with pytest.raises(ValueError, match="target must be integer labels of shape"):
                ce(x, np.array([0, 1, 2]), reduction=reduction)
            ce(x, labels, reduction=reduction)
        for reduction in ("avg", ["mean"]):
            with pytest.raises((ValueError, TypeError), match="reduction must be"):
                ce(x, labels, reduction=reduction)
            with pytest.raises((ValueError, TypeError), match="reduction must be"):
                bce(p, p, reduction=reduction)


@pytest.mark.parametrize("size", [3, 5000, 100_000])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_what_is_no_probability_is_refused_before_a_gradient_is_written(size, reduction):
    x = np.full(size, 0.5)
    x[-1] = 1.5
    for form, names in (("value_and_grad", ("grad_out",)), ("grad", ("grad_out",)), ("grad_and_hess", ("hess_out",))):
        buffers = {name: np.full(size, 7.0) for name in names}
        with pytest.raises(ValueError, match=r"input must be in \[0, 1\], got 1\.5 at index"):
            getattr(fl.binary_cross_entropy, form)(x, np.zeros(size), reduction=reduction, **buffers)
        assert all((buffer == 7.0).all() for buffer in buffers.values())
