"""Gated linear units: one array times an activation of another, and both gradients in one pass."""

from fastloa_kernels.formulas import gated

from fastloa.checks import choice
from fastloa.gated_operations import gated_activation, split_activation
from fastloa.operations import Array, Parameters, Variant

__all__ = [
    "geglu",
    "glu",
    "reglu",
    "swiglu",
]


@split_activation(gated.GLU)
def glu(x: Array, /, *, axis: int = -1, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Gated linear unit: the first half of an array times the sigmoid of the second.

    .. math:: f(x) = a \, \sigma(b), \qquad \frac{\partial f}{\partial a} = \sigma(b), \qquad
        \frac{\partial f}{\partial b} = a \, \sigma(b) \, (1 - \sigma(b))

    where a is the first half of x along an axis, and b the second. ``backward(grad_output, x)`` returns one array of
    the shape of x, which holds the gradients of both halves.

    Parameters
    ----------
    x : array, shape (..., 2 n, ...), floating-point, integer or bool
        The two halves.
    axis : int, default -1
        The axis that is halved; of even length.
    out : array, shape (..., n, ...), optional
        Where to write the result; of `backward`, an array of the shape of `x`, which may be `x`.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (..., n, ...)
        In the dtype of `x`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        No such axis, or one of odd length; `out` has another shape or is read-only.

    Notes
    -----
    The gate is the second half, as in PyTorch, JAX and Keras. NaN in either half gives NaN, and so does an infinite a
    times a gate of 0, at b = -inf; every other infinity gives its limit. No product overflows or vanishes on the way:
    an a of 1e30 brings back a sigmoid of 1e-60. On the CPU the halves are read where they lie if x is C-contiguous and
    each goes on for 64 elements; else they are copied first.

    References
    ----------
    Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2016, arXiv:1612.08083.

    Examples
    --------
    >>> glu(np.array([[2.0, 4.0, 0.0, -np.inf]]))
    array([[1., 0.]])
    >>> glu.backward(np.array([[1.0, 1.0]]), np.array([[2.0, 4.0, 0.0, -np.inf]]))
    array([[0.5, 0. , 0.5, 0. ]])
    """
    return ()


@gated_activation(gated.SWIGLU)
def swiglu(a: Array, b: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""SiLU of one array, the gate, times another.

    .. math:: f(a, b) = a \, \sigma(a) \, b, \qquad
        \frac{\partial f}{\partial a} = \sigma(a) \, (1 + a \, (1 - \sigma(a))) \, b, \qquad
        \frac{\partial f}{\partial b} = a \, \sigma(a)

    ``backward(grad_output, a, b)`` returns both gradients, from one pass.

    Parameters
    ----------
    a : array, shape (...), floating-point, integer or bool
        The gate: what SiLU is taken of.
    b : array, shape (...), of the same shape and dtype
        What it is multiplied with.
    out : array, shape (...), optional
        Where to write the result; may be an input. `backward` takes two arrays, or None for one of them.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `a`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries or dtypes, or a dtype that is not supported.
    ValueError
        `a` and `b` differ in shape; `out` has another shape or is read-only.

    Notes
    -----
    The gate comes first, as in Liger-Kernel's SwiGLU, ``silu(a) * b``, and as ``silu(gate_proj(x)) * up_proj(x)`` in
    Llama. Coming from PyTorch's or JAX's `glu`, where the gate is the second half, swap the halves.

    NaN in either gives NaN. A SiLU of 0, at a = 0 or a = -inf, times an infinity is NaN, as is 0 times SiLU of inf;
    every other infinity gives its limit, also where SiLU itself is too small for a number: swiglu(-1000, inf) is -inf.
    A product of any two or three of these numbers neither overflows nor vanishes on the way. The gradient with respect
    to a is within 2 ulp, but within 1/32 of a = -1.2785, where SiLU is least.

    References
    ----------
    Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202.

    Examples
    --------
    >>> swiglu(np.array([-np.inf, 0.0, 1.0]), np.array([2.0, 2.0, 2.0]))
    array([-0.        ,  0.        ,  1.46211716])
    >>> swiglu.backward(np.array([1.0, 1.0]), np.array([0.0, 1.0]), np.array([2.0, 2.0]))
    (array([1.        , 1.85534102]), array([0.        , 0.73105858]))
    """
    return ()


@gated_activation(gated.GEGLU)
def geglu(
    a: Array, b: Array, /, *, approximate: str = "none", out: Array | None = None, backend: str | None = None
) -> Parameters:
    r"""GELU of one array, the gate, times another.

    .. math:: f(a, b) = a \, \Phi(a) \, b, \qquad
        \frac{\partial f}{\partial a} = \left(\Phi(a) + \frac{a}{\sqrt{2 \pi}} e^{-a^2 / 2}\right) b, \qquad
        \frac{\partial f}{\partial b} = a \, \Phi(a)

    or the same with the tanh form of GELU, for ``approximate="tanh"``. ``backward(grad_output, a, b)`` returns both
    gradients, from one pass.

    Parameters
    ----------
    a : array, shape (...), floating-point, integer or bool
        The gate: what GELU is taken of.
    b : array, shape (...), of the same shape and dtype
        What it is multiplied with.
    approximate : {"none", "tanh"}, default "none"
        Which form of `gelu`.
    out : array, shape (...), optional
        Where to write the result; may be an input. `backward` takes two arrays, or None for one of them.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `a`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries or dtypes, or a dtype that is not supported.
    ValueError
        An unknown form; `a` and `b` differ in shape; `out` has another shape or is read-only.

    Notes
    -----
    The gate comes first, as in Liger-Kernel's GEGLU, ``gelu(a) * b``, which is the tanh form. In the GEGLU of
    diffusion models that are written ``hidden, gate = proj(x).chunk(2)`` the second half is the gate: it is a here.

    NaN and infinities as in `swiglu`, and no product overflows or vanishes on the way. The gradient with respect to a
    is within 2 ulp, but within 1/32 of a = -0.7518 (-0.7525 with tanh), where GELU is least.

    References
    ----------
    Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202.

    Examples
    --------
    >>> geglu(np.array([-np.inf, 0.0, 1.0]), np.array([2.0, 2.0, 2.0]))
    array([-0.        ,  0.        ,  1.68268949])
    >>> geglu(np.array([1.0]), np.array([2.0]), approximate="tanh")
    array([1.68238398])
    """
    form = choice("geglu", "approximate", approximate, ("none", "tanh"))
    return Variant(gated.GEGLU_TANH) if form == "tanh" else ()


@gated_activation(gated.REGLU)
def reglu(a: Array, b: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""ReLU of one array, the gate, times another.

    .. math:: f(a, b) = \max(a, 0) \, b, \qquad
        \frac{\partial f}{\partial a} = \begin{cases} b & a > 0 \\ 0 & a \le 0 \end{cases}, \qquad
        \frac{\partial f}{\partial b} = \max(a, 0)

    At the kink, a = 0, the derivative is 0, as in PyTorch. ``backward(grad_output, a, b)`` returns both gradients, from
    one pass.

    Parameters
    ----------
    a : array, shape (...), floating-point, integer or bool
        The gate: what ReLU is taken of.
    b : array, shape (...), of the same shape and dtype
        What it is multiplied with.
    out : array, shape (...), optional
        Where to write the result; may be an input. `backward` takes two arrays, or None for one of them.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `a`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries or dtypes, or a dtype that is not supported.
    ValueError
        `a` and `b` differ in shape; `out` has another shape or is read-only.

    Notes
    -----
    The gate comes first, as in `swiglu`. NaN in either gives NaN. For a < 0 the result is 0 with the sign of b: at an
    infinite b too, for that is the limit, where ``relu(a) * b`` in PyTorch is NaN. At a = 0 there is no limit, and an
    infinite b gives NaN.

    References
    ----------
    Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202.

    Examples
    --------
    >>> reglu(np.array([-1.0, 0.0, 3.0]), np.array([2.0, 2.0, 2.0]))
    array([0., 0., 6.])
    >>> reglu.backward(np.array([1.0, 1.0]), np.array([-1.0, 3.0]), np.array([2.0, 2.0]))
    (array([0., 2.]), array([0., 3.]))
    """
    return ()
