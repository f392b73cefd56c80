"""Lookahead, which lets another optimizer run ahead and follows it a part of the way."""

from collections.abc import Mapping
from typing import Any, ClassVar

from fastloa_kernels.formulas import optimizer_averaged as formulas
from fastloa_kernels.records import Step

from fastloa.hyper import Integer, Number, kinds
from fastloa.optimizer_operations import Optimizer, Params, keys, unwrapped
from fastloa.wording import kind

__all__ = ["Lookahead"]


class Lookahead(Optimizer):
    r"""Lookahead: after every k steps of an optimizer, slow parameters follow its own, which go on from there.

    .. math:: \phi \leftarrow \phi + \alpha (\theta - \phi), \quad \theta \leftarrow \phi

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer of the fast parameters theta, which is stepped by this one from now on.
    k : int, default 5
        The number of its steps to one of the slow parameters phi, at least 1.
    alpha : float, default 0.5
        The share of the way that the slow parameters follow, in [0, 1].

    Raises
    ------
    TypeError
        Not an optimizer, or one whose steps take no gradients.
    ValueError
        An option out of its range.

    Notes
    -----
    The slow parameters begin as the parameters, and are the state ``slow``. ``params``, ``last_lr``, ``last_skipped``,
    ``last_grad_norm`` and ``ema`` are the optimizer's; its running mean takes the fast parameters, before they go back.
    The optimizer's own states are left alone when its parameters go back, as in the paper's experiments and in optax
    with ``reset_state=False``, where k is ``sync_period`` and alpha ``slow_step_size``.

    References
    ----------
    Zhang, Lucas, Hinton and Ba, "Lookahead Optimizer: k steps forward, 1 step back", 2019, arXiv:1907.08610.

    Examples
    --------
    >>> from fastloa import SGD
    >>> p = np.array([1.0, 2.0])
    >>> optimizer = Lookahead(SGD(p, lr=1.0), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     optimizer.step(np.array([1.0, -1.0]))
    >>> p
    array([0., 3.])
    """

    hyper = kinds(k=Integer(1), alpha=Number(low=0.0, high=1.0))
    records = (formulas.LOOKAHEAD,)
    initial: ClassVar[Mapping[str, float | str | None]] = {"slow": None}

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Lookahead: optimizer must be an optimizer, got {kind(optimizer)}")
        if optimizer.takes_closure:
            raise TypeError(
                f"Lookahead: optimizer must be one whose steps take gradients, got {type(optimizer).__name__}"
            )
        if optimizer._compensated:
            raise ValueError("Lookahead: optimizer must be one without compensated=True")
        super().__init__(optimizer.params, {"backend": optimizer._backend}, k=k, alpha=alpha)
        self.optimizer, self.steps = optimizer, optimizer.steps

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return (hyper["alpha"],)

    @property
    def ema(self) -> Params:
        """The running means of the optimizer."""
        return self.optimizer.ema

    def in_whole(self, grads: Params) -> bool:
        """Whether the optimizer takes all gradients for whole arrays."""
        return self.optimizer.in_whole(grads)

    def step(self, grads: Params, /) -> None:
        """Take one step of the optimizer, in place, and after every k of them one of the slow parameters.

        Parameters
        ----------
        grads : array, or list, tuple or dict of arrays
            The gradients, of the structure, shapes and dtypes of the parameters.

        Raises
        ------
        TypeError, ValueError
            Something does not fit; nothing has been written then.
        """
        fast = self.optimizer
        fast.step(grads)
        if not fast.last_skipped and fast.steps % self._hyper["k"] == 0:
            super().step(grads if fast.in_whole(grads) else fast.params)  # which the formula leaves alone
        self.steps, self.last_lr = fast.steps, fast.last_lr
        self.last_skipped, self.last_grad_norm = fast.last_skipped, fast.last_grad_norm

    def state_dict(self) -> dict[str, Any]:
        """Return what all optimizers return, and under ``optimizer`` what the optimizer does.

        Returns
        -------
        dict
            ``steps`` (int), ``states`` (a list of dicts of arrays), ``hyper`` (a dict) and ``optimizer`` (a dict).
        """
        return {**super().state_dict(), "optimizer": self.optimizer.state_dict()}

    def _checked_state(self, function: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._checked_state(function, state_dict)
        if "optimizer" not in state_dict:
            raise ValueError(f"{function}: state_dict must have the key 'optimizer', got {keys(state_dict)}")
        return {**found, "optimizer": self.optimizer._checked_state(function, unwrapped(state_dict["optimizer"]))}

    def _go_on(self, found: Mapping[str, Any]) -> None:
        super()._go_on(found)
        self.optimizer._go_on(found["optimizer"])

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]} of {self.optimizer!r}>"
