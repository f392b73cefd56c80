"""L-BFGS, which makes up for the second derivatives by how gradients have changed along its last steps."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from fastloa_kernels.formulas import optimizer_lines as formulas
from fastloa_kernels.formulas.totals import MAGNITUDE

from fastloa import backends, checks, dtypes
from fastloa.hyper import NONNEGATIVE, RATE, Hyper, Integer, kinds
from fastloa.optimizer_operations import Optimizer, Params, keys, unwrapped
from fastloa.optimizers.line_search import Point, strong_wolfe
from fastloa.wording import kind

__all__ = ["LBFGS"]

LEAST = 1e-10  # the least product of a move and a change of the gradient that is remembered
SEARCHES = ("strong_wolfe",)
NUMBERS = ("iterations", "evaluations", "length", "scale", "products")
VECTORS = ("direction", "gradient")
LISTS = ("moves", "changes")


def search(function: str, argument: str, value: Any, *, fixed: bool) -> Any:
    """Check the name of a line search, or None."""
    return None if value is None else checks.choice(function, argument, value, SEARCHES)


def most(function: str, argument: str, value: Any, *, fixed: bool) -> Any:
    """Check a limit, or None."""
    return None if value is None else checks.integer(function, argument, value, low=1)


class Lines:
    """Vectors on an engine: moves along others and products with them, in one pass each."""

    def __init__(self, engine: Any, dtype: str) -> None:
        self.engine, self.xp = engine, engine.xp
        self._move, self._product = (engine.load(formulas.LBFGS_MOVE, form, dtype) for form in ("step", "total_summed"))
        self._size = engine.load(MAGNITUDE, "value_summed_wide", dtype)

    def move(self, x: Any, along: Any, length: Any) -> Any:
        """Move x, in place; the length may be on the device."""
        self._move((x, along), (), (length,), ())
        return x

    def product(self, x: Any, y: Any) -> Any:
        """The inner product, on the device."""
        return self._product((x, y), (), (1.0, 1.0, math.inf, 1.0), ())

    def size(self, x: Any) -> float:
        """The sum of all absolute values."""
        return float(self._size((x,), (), (), ()))

    def largest(self, x: Any) -> float:
        """The largest absolute value."""
        return float(abs(x).max())

    def direction(self, gradient: Any, past: Mapping[str, Any]) -> Any:
        """The gradient times what is known of the inverse of the second derivatives, with the other sign."""
        known = list(zip(past["moves"], past["changes"], past["products"], strict=True))
        q, shares = self.xp.negative(gradient), []
        with np.errstate(all="ignore"):  # products of a run that diverges may be no numbers
            for move, change, product in reversed(known):
                shares.append(self.product(move, q) * (1.0 / product))
                self.move(q, change, -shares[-1])
            r = self.move(self.xp.zeros_like(q), q, past["scale"])
            for (move, change, product), share in zip(known, reversed(shares), strict=True):
                self.move(r, move, share - self.product(change, r) * (1.0 / product))
        return r


class LBFGS(Optimizer):
    r"""L-BFGS: Newton's steps with second derivatives from the last moves and changes of the gradient.

    .. math:: p \leftarrow p - t H g, \quad s_i = p_{i+1} - p_i, \quad y_i = g_{i+1} - g_i, \quad
        H_{i+1} = \left(I - \frac{s_i y_i^T}{s_i^T y_i}\right) H_i \left(I - \frac{y_i s_i^T}{s_i^T y_i}\right) +
        \frac{s_i s_i^T}{s_i^T y_i}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1.0
        The length t of a move, or with a line search that of its first try; at least 0.
    max_iter : int, default 20
        The most moves in a step, at least 1.
    max_eval : int or None, default None
        The most evaluations in a step, at least 1; None for 5/4 of `max_iter`.
    tolerance_grad : float, default 1e-7
        A step ends where no element of the gradient is larger; at least 0.
    tolerance_change : float, default 1e-9
        A step ends where neither an element of the parameters nor the value changes by more; at least 0.
    history_size : int, default 100
        How many moves are remembered, at least 1. Each takes memory twice the size of the parameters.
    line_search_fn : {None, "strong_wolfe"}, default None
        None for moves of length `lr`, or a search for a length that satisfies the strong Wolfe conditions.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, or an option out of its range.

    Notes
    -----
    PyTorch's conventions, defaults and numbers of evaluations. The first move is along the gradient, with lr over the
    sum of its absolute values if that is more than 1. A move is remembered if its product with the change of the
    gradient is more than 1e-10. ``steps`` counts steps; ``iterations`` and ``evaluations`` count moves and evaluations.

    What other optimizers fold into their steps is not for this one: with gradients other than the value's there is no
    line search. All arrays make one vector, of float64 if one of them is. Products of vectors are summed in float64, on
    a GPU without waiting for them; some numbers must be waited for in every move, such as the value.

    Should `closure` raise within a search, the parameters are where the search began.

    With `minimize`, one step is one of this optimizer's: the evaluations within it are not in the history.

    References
    ----------
    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming 45,
    1989, doi:10.1007/BF01589116; Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 7.4.

    Examples
    --------
    >>> p = np.array([-1.2, 1.0])
    >>> def rosenbrock():
    ...     x, y = p
    ...     value = 100.0 * (y - x**2) ** 2 + (1.0 - x) ** 2
    ...     return value, np.array([-400.0 * x * (y - x**2) - 2.0 * (1.0 - x), 200.0 * (y - x**2)])
    >>> optimizer = LBFGS(p, max_iter=50, line_search_fn="strong_wolfe")
    >>> optimizer.step(rosenbrock)
    >>> p.round(3), optimizer.evaluations < 60
    (array([1., 1.]), True)
    """

    hyper = kinds(
        lr=RATE, max_iter=Integer(1), max_eval=most, tolerance_grad=NONNEGATIVE, tolerance_change=NONNEGATIVE,
        history_size=Integer(1), line_search_fn=search,
    )  # fmt: skip
    records = (formulas.LBFGS_MOVE,)
    takes_closure = True

    def __init__(
        self, params: Params, lr: Hyper = 1.0, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None, *, backend: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, {"backend": backend}, lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn,
        )  # fmt: skip
        kinds_of = [dtypes.kind_of("LBFGS", label, p).compute for label, p in self._arrays.items()]
        self._dtype = max(kinds_of)  # "float64" if there is one
        self._past: dict[str, Any] = {
            "iterations": 0, "evaluations": 0, "length": 0.0, "scale": 1.0, "products": [], "direction": None,
            "gradient": None, "moves": [], "changes": [],
        }  # fmt: skip

    @property
    def iterations(self) -> int:
        """How many moves there have been."""
        return int(self._past["iterations"])

    @property
    def evaluations(self) -> int:
        """How many evaluations there have been."""
        return int(self._past["evaluations"])

    def step(self, closure: Callable[[], tuple[Any, Params]], /) -> None:
        """Make up to `max_iter` moves, in place.

        Parameters
        ----------
        closure : callable
            ``closure()`` gives the value, a number, and the gradients at the parameters as they are when it is called,
            in the structure of the parameters.

        Raises
        ------
        TypeError, ValueError
            Something does not fit; nothing has been written if that is seen at the first evaluation.
        """
        if not callable(closure):
            raise TypeError(f"LBFGS.step: closure must be callable, got {kind(closure)}")
        rate = self._hyper["lr"]
        rate = rate(self.steps) if callable(rate) else rate
        with backends.device_of(next(iter(self._arrays.values()))):
            self._run(closure, rate)
        self.last_lr = rate
        self.steps += 1

    def _run(self, closure: Callable[[], tuple[Any, Params]], rate: float) -> None:
        lines = Lines(backends.choose("LBFGS.step", self._home, self._backend), self._dtype)
        past, hyper = self._brought(lines), self._hyper
        limit = hyper["max_iter"] * 5 // 4 if hyper["max_eval"] is None else hyper["max_eval"]
        value, gradient = self._evaluated(closure, lines)
        evaluations = 1
        if not gradient.size or lines.largest(gradient) <= hyper["tolerance_grad"]:
            return
        for move in range(1, hyper["max_iter"] + 1):
            past["iterations"] += 1
            direction = self._direction(lines, past, gradient)
            first = past["iterations"] == 1
            length = min(1.0, 1.0 / lines.size(gradient)) * rate if first else rate
            before, past["gradient"], past["direction"], past["length"] = value, gradient, direction, length
            slope = float(lines.product(gradient, direction))
            if slope > -hyper["tolerance_change"]:
                break
            start, reach = self._flat(lines, self._arrays), lines.largest(direction)
            if hyper["line_search_fn"] is not None:
                at = partial(self._at, closure, lines, start, direction)
                try:
                    point, tried = strong_wolfe(
                        at, Point(0.0, value, slope, gradient), length, reach=reach,
                        tolerance=hyper["tolerance_change"], most=limit - evaluations,
                    )  # fmt: skip
                except BaseException:
                    self._put(lines, start)  # and not where it was tried last
                    raise
                value, gradient, past["length"] = point.value, point.gradient, float(point.length)
                self._put(lines, lines.move(start, direction, past["length"]))
                evaluations += tried
            else:
                self._put(lines, lines.move(start, direction, length))
                if move < hyper["max_iter"]:
                    value, gradient = self._evaluated(closure, lines)
                    evaluations += 1
            if (
                evaluations >= limit
                or lines.largest(gradient) <= hyper["tolerance_grad"]
                or reach * abs(past["length"]) <= hyper["tolerance_change"]
                or abs(value - before) < hyper["tolerance_change"]
            ):
                break

    def _direction(self, lines: Lines, past: dict[str, Any], gradient: Any) -> Any:
        """The next direction, after the last move has been remembered."""
        if past["iterations"] == 1:
            return lines.xp.negative(gradient)
        change = gradient - past["gradient"]
        moved = past["direction"] * past["length"]
        product = float(lines.product(change, moved))
        if product > LEAST:
            for name, new in (("moves", moved), ("changes", change), ("products", product)):
                past[name] = [*past[name], new][-self._hyper["history_size"] :]
            past["scale"] = product / float(lines.product(change, change))
        return lines.direction(gradient, past)

    def _at(self, closure: Callable[[], Any], lines: Lines, start: Any, direction: Any, length: Any) -> Point:
        self._put(lines, lines.move(start.copy(), direction, float(length)))
        value, gradient = self._evaluated(closure, lines)
        return Point(length, value, float(lines.product(gradient, direction)), gradient)

    def _evaluated(self, closure: Callable[[], tuple[Any, Params]], lines: Lines) -> tuple[float, Any]:
        """The value and the gradient, as one vector, at the parameters as they are."""
        returned: Any = closure()
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(f"LBFGS.step: closure must return (value, grads), got {kind(returned)}")
        value = checks.scalar("LBFGS.step", "closure", returned[0])
        gradients = dict(pair for _, pair in self._checked_pairs(returned[1]))
        self._past["evaluations"] += 1
        return value, self._flat(lines, gradients)

    def _flat(self, lines: Lines, arrays: Mapping[str, Any]) -> Any:
        """A copy of all arrays as one vector."""
        parts = [lines.engine.bring(x.astype(self._dtype, copy=False).reshape(-1)) for x in arrays.values()]
        return lines.xp.concatenate(parts)

    def _put(self, lines: Lines, vector: Any) -> None:
        """Have the parameters be the parts of a vector."""
        first = 0
        for p in self._arrays.values():
            p[...] = backends.bring_home(vector[first : first + p.size].reshape(p.shape), self._home)
            first += p.size

    def _brought(self, lines: Lines) -> dict[str, Any]:
        """What is remembered, with vectors where the engine has them."""
        bring, past = lines.engine.bring, self._past
        past |= {name: None if past[name] is None else bring(past[name]) for name in VECTORS}
        past |= {name: [bring(x) for x in past[name]] for name in LISTS}
        return past

    def state_dict(self) -> dict[str, Any]:
        """Return what all optimizers return, and under ``past`` what is remembered of the moves.

        Returns
        -------
        dict
            ``steps`` (int), ``states`` (a list of empty dicts), ``hyper`` (a dict) and ``past`` (a dict of numbers,
            vectors and lists of vectors).
        """
        return {**super().state_dict(), "past": self._home_again(self._past)}

    def _home_again(self, past: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of what is remembered, with vectors in the library of the parameters."""

        def copied(x: Any) -> Any:
            return None if x is None else backends.bring_home(x, self._home).copy()

        with backends.device_of(next(iter(self._arrays.values()))):
            vectors = {name: copied(past[name]) for name in VECTORS}
            lists = {name: [copied(x) for x in past[name]] for name in LISTS}
        return {**{name: past[name] for name in NUMBERS}, "products": list(past["products"]), **vectors, **lists}

    def _checked_state(self, function: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._checked_state(function, state_dict)
        if "past" not in state_dict:
            raise ValueError(f"{function}: state_dict must have the key 'past', got {keys(state_dict)}")
        past = unwrapped(state_dict["past"])
        names = sorted((*NUMBERS, *VECTORS, *LISTS))
        if not isinstance(past, Mapping):
            raise TypeError(f"{function}: past must be a dict, got {kind(past)}")
        if keys(past) != names:
            raise ValueError(f"{function}: past must be a dict with the keys {names}, got {keys(past)}")
        for name in (*LISTS, "products"):
            checks.items(function, name, past[name])
        for name in NUMBERS[:2]:
            checks.integer(function, name, past[name], low=0)
        for name, values in (*((name, [past[name]]) for name in NUMBERS[2:4]), ("products", past["products"])):
            for value in values:  # which may be infinite
                checks.number(function, name, np.nan_to_num(value) if isinstance(value, float) else value)
        if not len(past["moves"]) == len(past["changes"]) == len(past["products"]):
            counts = ", ".join(str(len(past[key])) for key in (*LISTS, "products"))
            raise ValueError(f"{function}: moves, changes and products must be of one length, got {counts}")
        for name in VECTORS:
            if past[name] is None and past["iterations"]:
                raise ValueError(f"{function}: {name} must be a vector after a step, got None")
        size = sum(p.size for p in self._arrays.values())
        vectors = [(key, past[key]) for key in VECTORS if past[key] is not None]
        vectors += [(key, x) for key in LISTS for x in past[key]]
        for name, vector in vectors:
            backends.library(function, name, vector)
            if vector.shape != (size,) or vector.dtype != self._dtype:
                raise ValueError(
                    f"{function}: {name} must be {self._dtype} of shape {(size,)}, "
                    f"got {vector.dtype} of shape {vector.shape}"
                )
        return {**found, "past": past}

    def _go_on(self, found: Mapping[str, Any]) -> None:
        super()._go_on(found)
        self._past = self._home_again(found["past"])
