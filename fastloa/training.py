"""Training: one loop over data, gradients and optimizer, with a reason to stop and a record of the way."""

import itertools
import math
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from fastloa.checks import flag, integer, is_cupy, items, leaves, scalar
from fastloa.stopping import Criterion, State
from fastloa.wording import kind

if TYPE_CHECKING:
    import numpy.typing as npt  # a tenth of NumPy's own import time

__all__ = ["History", "Optimizer", "Result", "State", "minimize"]

P = TypeVar("P")


class Optimizer(Protocol):
    """What `minimize` needs of an optimizer; if it has a ``last_lr``, that is recorded.

    One with a true ``takes_closure`` is given, in place of the gradients, what gives value and gradients when called.
    """

    @property
    def params(self) -> Any:
        """The arrays it updates, in the structure in which it was given them."""

    def step(self, grads: Any, /) -> Any:
        """Update the arrays in place, given the gradients in the same structure."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class History:
    """What happened, one entry for each evaluation of the loss before a step.

    Parameters
    ----------
    value : numpy.ndarray of float64, shape (n,)
        The loss at the parameters before the step.
    step, epoch : numpy.ndarray of int64, shape (n,)
        The numbers of the step and of the epoch, from 0.
    lr : numpy.ndarray of float64, shape (n,), or None
        The optimizer's ``last_lr`` after the step, NaN where a criterion stopped before it; None if it has none.
    """

    value: "npt.NDArray[np.float64]"
    step: "npt.NDArray[np.int64]"
    epoch: "npt.NDArray[np.int64]"
    lr: "npt.NDArray[np.float64] | None"

    def __len__(self) -> int:
        """Count the evaluations."""
        return len(self.value)

    def __repr__(self) -> str:
        ends = f", first={self.value[0]:.6g}, last={self.value[-1]:.6g}" if len(self) else ""
        return f"History(evaluations={len(self)}{ends})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result(Generic[P]):
    """How a run of `minimize` ended.

    Parameters
    ----------
    params : array, sequence or dict of arrays
        The parameters, the very arrays that were given.
    value : float
        The last loss. A criterion stops before the step, hence at `params`; otherwise it is the loss before the last
        step. NaN if there was none.
    steps : int
        Steps that were asked of the optimizer, those among them that it passed over.
    epochs : int
        Epochs begun; the last may be unfinished.
    reason : str
        Why it ended: "steps", "epochs", "interrupted", or what a criterion said.
    seconds : float
        Time, in seconds.
    history : History
        The losses on the way.
    """

    params: P
    value: float
    steps: int
    epochs: int
    reason: str
    seconds: float
    history: History

    def __repr__(self) -> str:
        return (
            f"Result(value={self.value:.6g}, steps={self.steps}, epochs={self.epochs}, reason={self.reason!r}, "
            f"seconds={self.seconds:.3g})"
        )


def minimize(
    value_and_grad: Callable[..., tuple[Any, Any]],
    params: P,
    *,
    optimizer: Optimizer | Callable[[P], Optimizer],
    data: Iterable[Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    stop: Criterion | Iterable[Criterion] = (),
    progress: bool = False,
    callback: Callable[[State], object] | None = None,
) -> Result[P]:
    """Minimise a loss: evaluate, ask the criteria, step, until one of them or a limit ends it.

    With `data` this is (stochastic) gradient descent on minibatches; without, every step is a full-batch step and an
    epoch. `params` are updated in place.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params, *batch)`` gives the loss, a scalar or an array of shape (), and its gradients in the
        structure of `params`.
    params : array, sequence or dict of arrays
        Where to start. The arrays hold the result in the end, after an interruption or an error too.
    optimizer : Optimizer or callable
        An optimizer over these very arrays, or a callable that makes one of them, such as an optimizer's class. A step
        of `LBFGS` evaluates more than once.
    data : iterable, optional
        The batches of an epoch, read once an epoch, such as `minibatches` makes. A batch that is a tuple or a list
        gives several arguments, another one.
    epochs : int, optional
        Largest number of epochs; at least 1.
    steps : int, optional
        Largest number of steps; at least 1.
    stop : criterion or sequence of criteria, optional
        When to stop, see `stopping`; the first that gives a reason ends the run.
    progress : bool, default False
        Whether to show a progress bar with the loss, renewed ten times a second at most.
    callback : callable, optional
        Called with the `State` of each step after it was made; what it returns is not used.

    Returns
    -------
    Result
        The parameters, the last loss, the counts, the reason and the history.

    Raises
    ------
    TypeError
        An argument is of the wrong kind, or `value_and_grad` or a criterion returns something else than described.
    ValueError
        Nothing bounds the run, a limit is below 1, the optimizer updates other arrays than `params`, the loss is not
        a scalar, or an epoch of `data` is empty.

    Notes
    -----
    Ctrl-C ends the run with the reason "interrupted"; should it come in the middle of a step, some arrays have made
    that step and others not. No NaN is watched for unless `stop` holds `stopping.non_finite`.

    Losses on a GPU stay there until the end: only a criterion or the progress bar that reads them waits for it.

    Examples
    --------
    Gradient descent on J(t1, t2) = t1² + t2², with an optimizer of one's own to show all that one needs:

    >>> from fastloa import stopping
    >>> class Descent:
    ...     def __init__(self, params):
    ...         self.params = params
    ...
    ...     def step(self, grads):
    ...         self.params -= 0.25 * grads
    >>> t = np.array([3.0, -4.0])
    >>> result = minimize(lambda t: (t @ t, 2 * t), t, optimizer=Descent, stop=stopping.grad_norm(1e-3))
    >>> result.steps, result.reason
    (14, 'gradient norm 0.00061 <= 0.001')
    >>> result.history.value[:4]
    array([25.      ,  6.25    ,  1.5625  ,  0.390625])
    >>> t.round(3)
    array([ 0., -0.])
    """
    name = "minimize"
    _check_callable("value_and_grad", value_and_grad)
    _check_params(params)
    epochs = None if epochs is None else integer(name, "epochs", epochs, low=1)
    steps = None if steps is None else integer(name, "steps", steps, low=1)
    criteria = (stop,) if callable(stop) else items(name, "stop", stop)
    for i, criterion in enumerate(criteria):
        _check_callable(f"stop[{i}]", criterion)
    if callback is not None:
        _check_callable("callback", callback)
    if data is not None and (not isinstance(data, Iterable) or getattr(data, "shape", None) == ()):
        raise TypeError(f"{name}: data must be an iterable of batches, got {kind(data)}")
    if epochs is None and steps is None and not criteria:
        raise ValueError(f"{name}: epochs, steps or stop must bound the run, got none of them")
    progress, made = flag(name, "progress", progress), _optimizer_of(optimizer, params)
    bar = _Bar(_expected_steps(data, epochs, steps)) if progress else None
    run = _Run(value_and_grad, params, made, steps, criteria, callback, bar)
    try:
        reason = run.loop([()] if data is None else data, epochs)
    except KeyboardInterrupt:
        reason = "interrupted"
    finally:
        if bar is not None:
            bar.close()
    return run.result(reason)


class _Run:
    """One run of `minimize`: its arguments, and how far it has come."""

    def __init__(
        self,
        value_and_grad: Callable[..., tuple[Any, Any]],
        params: Any,
        optimizer: Optimizer,
        limit: int | None,
        criteria: tuple[Criterion, ...],
        callback: Callable[[State], object] | None,
        bar: "_Bar | None",
    ) -> None:
        self.value_and_grad, self.params, self.optimizer = value_and_grad, params, optimizer
        self.limit, self.criteria, self.callback, self.bar = limit, criteria, callback, bar
        self.steps, self.epoch = 0, -1
        self.record = _Record()
        self.start = time.perf_counter()
        for criterion in criteria:
            if hasattr(criterion, "reset"):
                criterion.reset()

    def loop(self, data: Iterable[Any], epochs: int | None) -> str:
        """Run epoch after epoch, and return the reason to end."""
        for epoch in itertools.count() if epochs is None else range(epochs):
            self.epoch, before = epoch, len(self.record.step)
            for batch in data:
                reason = self.advance(batch if isinstance(batch, tuple | list) else (batch,))
                if reason is not None:
                    return reason
            if len(self.record.step) == before:
                raise ValueError(f"minimize: data must give batches in every epoch, got none in epoch {epoch}")
        return "epochs"

    def advance(self, batch: Iterable[Any]) -> str | None:
        """Evaluate, judge and step on one batch; return the reason to end, if there is one."""
        value, grads = self.evaluate(batch)
        self.record.add(value, self.steps, self.epoch)
        state = State(self.steps, self.epoch, value, grads, self.params, time.perf_counter() - self.start)
        for criterion in self.criteria:
            reason = criterion(state)
            if reason is not None:
                if isinstance(reason, str):
                    return reason
                raise TypeError(f"minimize: stop must give a reason (a str) or None, got {kind(reason)}")
        closed = getattr(self.optimizer, "takes_closure", False)
        self.optimizer.step(self.closure(batch, value, grads) if closed else grads)
        self.steps += 1
        skipped = getattr(self.optimizer, "last_skipped", False)
        self.record.stepped(None if skipped else getattr(self.optimizer, "last_lr", None))
        if self.bar is not None:
            self.bar.advance(state)
        if self.callback is not None:
            self.callback(state)
        return "steps" if self.steps == self.limit else None

    def evaluate(self, batch: Iterable[Any]) -> tuple[Any, Any]:
        """Call the user's function and check what it returns; only a loss on a GPU stays an array."""
        returned: Any = self.value_and_grad(self.params, *batch)
        if not isinstance(returned, tuple) or len(returned) != 2:
            came = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else kind(returned)
            raise TypeError(f"minimize: value_and_grad must return (value, grads), got {came}")
        value, grads = returned
        if is_cupy(value) and value.shape == ():
            return value, grads
        return scalar("minimize", "value_and_grad", value), grads

    def closure(self, batch: Iterable[Any], value: Any, grads: Any) -> Callable[[], tuple[Any, Any]]:
        """What gives a value and gradients: first those that are known, then those of the parameters as they are."""
        known = [(value, grads)]
        return lambda: known.pop() if known else self.evaluate(batch)

    def result(self, reason: str) -> Result[Any]:
        """Close the record, which waits for the GPU, then the clock."""
        history = self.record.history()
        seconds = time.perf_counter() - self.start
        value = float(history.value[-1]) if len(history) else math.nan
        return Result(self.params, value, self.steps, self.epoch + 1, reason, seconds, history)


class _Record:
    """A history as it grows, in 8 bytes an entry; losses on a GPU are gathered there and fetched many at a time."""

    room = 1 << 16

    def __init__(self) -> None:
        self.value, self.lr = array("d"), array("d")
        self.step, self.epoch = array("q"), array("q")
        self.rated = False  # whether any step had a rate
        self.buffer: Any = None
        self.waiting = 0

    def add(self, value: Any, step: int, epoch: int) -> None:
        """Enter an evaluation."""
        if is_cupy(value):
            if self.waiting == self.room:
                self.fetch()
            with value.device:  # a copy: the caller may use one array for every loss
                if self.buffer is None:
                    self.buffer = sys.modules["cupy"].empty(self.room, dtype=np.float64)
                self.buffer[self.waiting] = value
            self.waiting += 1
        else:
            self.fetch()
            self.value.append(value)
        self.step.append(step)
        self.epoch.append(epoch)

    def stepped(self, lr: float | None) -> None:
        """Enter the learning rate of the step that followed, if it had one."""
        self.rated |= lr is not None
        self.lr.append(math.nan if lr is None else lr)

    def fetch(self) -> None:
        """Bring the losses that wait on a GPU."""
        if self.waiting:
            self.value.extend(self.buffer[: self.waiting].get())
            self.waiting = 0

    def history(self) -> History:
        """Turn the record into arrays."""
        self.fetch()
        n = len(self.epoch)  # entered last: an interruption may have come in between
        lr = np.full(n, math.nan) if self.rated else None
        if lr is not None:
            lr[: len(self.lr)] = self.lr
        return History(np.array(self.value[:n]), np.array(self.step[:n]), np.array(self.epoch), lr)


class _Bar:
    """A progress bar; the loss is read, and a GPU waited for, no more often than it is shown."""

    every = 0.1  # seconds

    def __init__(self, total: int | None) -> None:
        from tqdm.auto import tqdm  # here: importing it takes longer than importing fastloa may

        self.tqdm = tqdm(total=total, unit="step")
        self.due = 0.0
        self.state: State | None = None

    def advance(self, state: State) -> None:
        """Count a step."""
        self.state = state
        if state.seconds >= self.due:
            self.tqdm.set_postfix(loss=f"{float(state.value):.4g}", refresh=False)
            self.due = state.seconds + self.every
        self.tqdm.update()

    def close(self) -> None:
        """Show the last loss and leave the bar where it is."""
        if self.state is not None:
            self.tqdm.set_postfix(loss=f"{float(self.state.value):.4g}")
        self.tqdm.close()


def _expected_steps(data: Iterable[Any] | None, epochs: int | None, steps: int | None) -> int | None:
    """Say how many steps a run has at most, as far as that is known."""
    if epochs is None or not (data is None or isinstance(data, Sized)):
        return steps
    of_epochs = epochs * (1 if data is None else len(data))
    return of_epochs if steps is None else min(of_epochs, steps)


def _optimizer_of(optimizer: Any, params: Any) -> Optimizer:
    """Take or make an optimizer, and check that it updates the very arrays of params."""
    made = optimizer
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        _check_callable("optimizer", optimizer)
        made = optimizer(params)
    if not hasattr(made, "step") or not hasattr(made, "params"):
        raise TypeError(f"minimize: optimizer must have params and step, got {kind(made)}")
    ours, theirs = list(leaves(params)), list(leaves(made.params))
    if len(ours) != len(theirs) or any(p is not q for p, q in zip(ours, theirs, strict=True)):
        raise ValueError("minimize: optimizer must update the arrays of params, got an optimizer over other arrays")
    return made  # type: ignore[no-any-return]


def _check_params(params: Any) -> None:
    for leaf in leaves(params):
        if not hasattr(leaf, "shape") or isinstance(leaf, np.generic):  # a scalar cannot be updated in place
            raise TypeError(f"minimize: params must be an array, or a sequence or dict of arrays, got {kind(leaf)}")


def _check_callable(argument: str, value: object) -> None:
    if not callable(value):
        raise TypeError(f"minimize: {argument} must be callable, got {kind(value)}")
