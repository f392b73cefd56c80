"""Cycles: schedules that rise and fall, once or again and again."""

import math

from fastloa.checks import choice, flag, integer, number
from fastloa.schedules.arithmetic import ramp, times_power
from fastloa.schedules.schedule import FormulaSchedule, Schedule

__all__ = ["cosine_restarts", "cyclic", "one_cycle"]


def cosine_restarts(value: float, first_period: int, factor: int = 1, final: float = 0.0) -> Schedule:
    r"""Fall along half a cosine wave, again and again (PyTorch's ``CosineAnnealingWarmRestarts``).

    .. math:: s(t) = f + \frac{v - f}{2} \left(1 + \cos \frac{\pi (t - b_i)}{n_i}\right), \quad b_i \le t < b_i + n_i

    where :math:`n_i = n_0 k^i` and :math:`b_i = n_0 + \dots + n_{i-1}`.

    Parameters
    ----------
    value : float
        First value :math:`v` of each period; finite.
    first_period : int
        Steps :math:`n_0` of the first period; at least 1.
    factor : int, default 1
        How many times as long :math:`k` each period is as the one before; at least 1.
    final : float, default 0.0
        Value :math:`f` that each period falls to; finite. No step has it: the next period begins instead.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, the step.

    Notes
    -----
    PyTorch calls the arguments ``T_0``, ``T_mult`` and ``eta_min``. Given an epoch, it finds the period from a rounded
    logarithm; here whole numbers find it, so that each period begins exactly where it should after any number of steps.

    Keras's ``CosineDecayRestarts`` also multiplies the first value of each period by ``m_mul``: with periods of one
    length ``multiply(cosine_restarts(value, n), step(1.0, n, m_mul))``. optax's ``sgdr_schedule`` takes a list of
    periods, each with its warm-up: a `join`.

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, arXiv:1608.03983.

    Examples
    --------
    >>> lr = cosine_restarts(1.0, 2, factor=2, final=0.5)
    >>> [lr(t) for t in (0, 1, 2, 4, 6, 10, 14)]
    [1.0, 0.75, 1.0, 0.75, 1.0, 0.75, 1.0]
    """
    name = "schedules.cosine_restarts"
    value = number(name, "value", value)
    first_period = integer(name, "first_period", first_period, low=1)
    factor = integer(name, "factor", factor, low=1)
    final = number(name, "final", final)
    return FormulaSchedule(_cosine_restarts, (value, first_period, factor, final))


def one_cycle(
    max_value: float,
    total_steps: int,
    pct_start: float = 0.3,
    anneal: str = "cosine",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    r"""Rise to a great value and fall to a very small one, once (PyTorch's ``OneCycleLR``).

    From :math:`v / d` to :math:`v` at step :math:`pn - 1`, and to :math:`v / (d e)` at step :math:`n - 1`; with three
    phases back to :math:`v / d` at step :math:`2pn - 2` in between. Then it stays. A phase from :math:`a` at step
    :math:`t_0` to :math:`b` at step :math:`t_1` is

    .. math::
        s(t) = a + (b - a) \frac{1 - \cos \pi x}{2} \;\text{ or }\; a + (b - a) x, \quad x = \frac{t - t_0}{t_1 - t_0}

    Parameters
    ----------
    max_value : float
        Greatest value :math:`v`; finite.
    total_steps : int
        Steps :math:`n` of the cycle; at least 1.
    pct_start : float, default 0.3
        Share :math:`p` of the steps that rise; in [0, 1].
    anneal : {"cosine", "linear"}, default "cosine"
        Form of each phase.
    div_factor : float, default 25.0
        How many times smaller :math:`d` the first value is than the greatest; positive and finite.
    final_div_factor : float, default 1e4
        How many times smaller :math:`e` the last value is than the first; positive and finite.
    three_phase : bool, default False
        Whether to fall as steeply as it rose, and then on to the last value, as in the paper.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range, or the first or last value is beyond float64; at the
        call, the step.

    Notes
    -----
    The values are PyTorch's at every step (``anneal_strategy="cos"`` is ``anneal="cosine"``). A cycle whose rise has no
    width (:math:`pn = 1`), where PyTorch divides by 0, begins at the greatest value. With :math:`pn < 1` the rise is
    over before step 0, and with three phases and :math:`p > 1/2` the cycle ends before the second phase does. A product
    :math:`pn` that is whole but for rounding, as that of 0.55 and 100, is taken as whole, so that the greatest value is
    reached exactly.

    PyTorch's also moves the momentum the other way, from 0.95 to 0.85 and back: a schedule of its own,
    ``one_cycle(0.85, n, div_factor=0.85 / 0.95, final_div_factor=1.0)``. optax's ``cosine_onecycle_schedule`` reaches
    the turns a step later, at :math:`pn` and :math:`n`.

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018,
    arXiv:1708.07120.

    Examples
    --------
    >>> lr = one_cycle(1.0, 10, pct_start=0.5, anneal="linear", div_factor=5.0, final_div_factor=2.0)
    >>> [round(lr(t), 3) for t in (0, 1, 2, 4, 5, 9, 1000)]
    [0.2, 0.4, 0.6, 1.0, 0.82, 0.1, 0.1]
    """
    name = "schedules.one_cycle"
    max_value = number(name, "max_value", max_value)
    total_steps = integer(name, "total_steps", total_steps, low=1)
    pct_start = number(name, "pct_start", pct_start, low=0, high=1)
    anneal = choice(name, "anneal", anneal, ("cosine", "linear"))
    div_factor = number(name, "div_factor", div_factor, low=0, low_open=True)
    final_div_factor = number(name, "final_div_factor", final_div_factor, low=0, low_open=True)
    three_phase = flag(name, "three_phase", three_phase)
    initial = number(name, "max_value / div_factor", max_value / div_factor)
    number(name, "max_value / div_factor / final_div_factor", initial / final_div_factor)
    return FormulaSchedule(
        _one_cycle, (max_value, total_steps, pct_start, anneal, div_factor, final_div_factor, three_phase)
    )


def cyclic(
    base: float,
    top: float,
    step_size_up: int,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    r"""Rise and fall along straight lines, again and again (PyTorch's ``CyclicLR``).

    .. math:: s(t) = b + (c - b) \, x \, h, \quad x = \begin{cases} r / n & r \le n \\ (n + m - r) / m & \text{else}
        \end{cases}, \quad r = t \bmod (n + m)

    with a height :math:`h` of 1 for ``"triangular"``, of :math:`2^{-i}` in the :math:`i`-th cycle, counted from 0, for
    ``"triangular2"``, and of :math:`\gamma^t` for ``"exp_range"``.

    Parameters
    ----------
    base : float
        Value :math:`b` at the ends of a cycle; finite.
    top : float
        Value :math:`c` in the middle of the first cycle; finite. It may be below `base`.
    step_size_up : int
        Steps :math:`n` of a rise; at least 1.
    step_size_down : int, optional
        Steps :math:`m` of a fall, at least 1; as many as of a rise by default.
    mode : {"triangular", "triangular2", "exp_range"}, default "triangular"
        How the height changes: not at all, to a half after each cycle, or by a factor at every step.
    gamma : float, default 1.0
        Factor :math:`\gamma` of ``"exp_range"``; non-negative and finite. The other modes do not use it.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        An argument is not of its kind, or is out of its range, or ``top - base`` is beyond float64; at the call, the
        step, or the value where `gamma` is above 1.

    Notes
    -----
    PyTorch calls the values ``base_lr`` and ``max_lr``, and finds its place in the cycle by subtracting rounded
    numbers, which leaves fewer digits with every cycle; here whole numbers find it. A height of one's own (PyTorch's
    ``scale_fn``) is a product over a `base` of 0: ``multiply(cyclic(0.0, top, n), height)``. PyTorch's also moves the
    momentum the other way: a schedule of its own, ``cyclic(0.9, 0.8, n)``.

    References
    ----------
    Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, arXiv:1506.01186.

    Examples
    --------
    >>> lr = cyclic(0.5, 1.0, 2, mode="triangular2")
    >>> [lr(t) for t in range(9)]
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.625, 0.75, 0.625, 0.5]
    """
    name = "schedules.cyclic"
    base = number(name, "base", base)
    top = number(name, "top", top)
    number(name, "top - base", top - base)
    step_size_up = integer(name, "step_size_up", step_size_up, low=1)
    if step_size_down is None:
        step_size_down = step_size_up
    step_size_down = integer(name, "step_size_down", step_size_down, low=1)
    mode = choice(name, "mode", mode, ("triangular", "triangular2", "exp_range"))
    gamma = number(name, "gamma", gamma, low=0)
    return FormulaSchedule(_cyclic, (base, top, step_size_up, step_size_down, mode, gamma))


def _cosine_restarts(step: int, value: float, first_period: int, factor: int, final: float) -> float:
    period = first_period
    if factor == 1:
        step %= period
    while step >= period:  # at most as often as a step has binary digits
        step -= period
        period *= factor
    return ramp("cosine", value, final, step, period)


def _one_cycle(
    step: int,
    max_value: float,
    total_steps: int,
    pct_start: float,
    anneal: str,
    div_factor: float,
    final_div_factor: float,
    three_phase: bool,
) -> float:
    initial = max_value / div_factor
    # Steps are counted in units of 1 / unit, in which the end of the rise is a whole number too.
    risen, unit = _whole(pct_start * total_steps).as_integer_ratio()
    peak, last = risen - unit, (total_steps - 1) * unit
    back = [(2 * peak, initial)] if three_phase else []
    turns = [(0, initial), (peak, max_value), *back, (last, initial / final_div_factor)]
    at = min(step * unit, last)
    phase = next(i for i, (end, _) in enumerate(turns[1:]) if at <= end)
    (begin, start), (end, stop) = turns[phase : phase + 2]
    return ramp(anneal, start, stop, at - begin, end - begin) if end > begin else stop


def _cyclic(
    step: int, base: float, top: float, step_size_up: int, step_size_down: int, mode: str, gamma: float
) -> float:
    period = step_size_up + step_size_down
    cycle, place = divmod(step, period)
    if place <= step_size_up:
        up, down = place / step_size_up, (step_size_up - place) / step_size_up
    else:
        up, down = (period - place) / step_size_down, (place - step_size_up) / step_size_down
    factor, count = {"triangular": (1.0, 0), "triangular2": (0.5, cycle), "exp_range": (gamma, step)}[mode]
    if factor > 1.0 or times_power(up, factor, count) <= 0.5:
        return base + times_power((top - base) * up, factor, count)
    # nearer to the top: what is missing there, a sum of positive terms, is subtracted
    return top - (top - base) * (down - up * math.expm1(count * math.log(factor)))


def _whole(x: float) -> float:
    """Undo the rounding of a factor and a product that would be whole: at most an ulp each."""
    return float(round(x)) if abs(x - round(x)) <= 2.0 * math.ulp(x) else x
