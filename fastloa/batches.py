"""Minibatches: the rows of one or several arrays, a few at a time, in a repeatable order.

The order of an epoch follows from the seed and the number of the epoch alone. It is drawn on the host with NumPy's
PCG64 whatever the arrays' library, so NumPy and CuPy arrays give the same rows, and any epoch can be entered in the
middle without replaying those before it.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from fastloa.checks import flag, integer, is_cupy, namespace
from fastloa.wording import kind

if TYPE_CHECKING:
    import numpy.typing as npt  # a tenth of NumPy's own import time (its random numbers, too: their names are quoted)

__all__ = ["Minibatches", "minibatches"]

A = TypeVar("A")
B = TypeVar("B")
Batch_co = TypeVar("Batch_co", covariant=True)


@overload
def minibatches(
    array: A,
    /,
    *,
    batch_size: int,
    rng: "int | np.random.Generator | None" = None,
    shuffle: bool = True,
    drop_last: bool = False,
    stratify: Any = None,
) -> "Minibatches[A]": ...
@overload
def minibatches(
    first: A,
    second: B,
    /,
    *,
    batch_size: int,
    rng: "int | np.random.Generator | None" = None,
    shuffle: bool = True,
    drop_last: bool = False,
    stratify: Any = None,
) -> "Minibatches[tuple[A, B]]": ...
@overload
def minibatches(
    *arrays: Any,
    batch_size: int,
    rng: "int | np.random.Generator | None" = None,
    shuffle: bool = True,
    drop_last: bool = False,
    stratify: Any = None,
) -> "Minibatches[tuple[Any, ...]]": ...
def minibatches(
    *arrays: Any,
    batch_size: int,
    rng: "int | np.random.Generator | None" = None,
    shuffle: bool = True,
    drop_last: bool = False,
    stratify: Any = None,
) -> "Minibatches[Any]":
    """Cut arrays into minibatches along their first axis; one ``for`` over the result is one epoch.

    Parameters
    ----------
    *arrays : array, shape (n, ...)
        One or several NumPy arrays, or CuPy arrays of one device, of equal length and any dtype.
    batch_size : int
        Rows in a batch; the last batch of an epoch holds what is left.
    rng : int or numpy.random.Generator, optional
        The seed, or where to draw one from, once. Without it the operating system gives one.
    shuffle : bool, default True
        Whether each epoch has its own order. Without it batches are contiguous, and views of the arrays.
    drop_last : bool, default False
        Whether to leave out a last batch smaller than the others.
    stratify : array of int, shape (n,), optional
        Class labels. Every batch then holds each class in its share of the whole, as nearly as whole rows allow.

    Returns
    -------
    Minibatches
        An iterable with a length, the batches of an epoch, and a state to save and resume from. A batch is an array
        for one array, and a tuple of arrays for several.

    Raises
    ------
    TypeError
        No array, something else than arrays, arrays of two libraries, or an option of the wrong kind.
    ValueError
        Arrays without axes, of different lengths or on different devices; a `batch_size` below 1; labels to stratify
        by that are not one integer for each row, or that come without `shuffle`.

    Notes
    -----
    The order (8 bytes a row) goes to the device once an epoch, and labels on a device come from it once for all;
    nothing else waits for a GPU. The same seed gives the same order on every machine with the same NumPy.

    With `stratify`, the numbers of rows of one class in any two full batches differ by at most 1. The rows are sorted
    by class, each class in random order, and dealt like cards, one to each batch in turn; a smaller last batch is
    taken out first, at equal distances.

    Examples
    --------
    >>> x, y = np.arange(10.0), np.arange(10) % 2
    >>> batches = minibatches(x, y, batch_size=4, rng=0, stratify=y)
    >>> len(batches)
    3
    >>> [labels.sum().item() for _, labels in batches]
    [2, 2, 1]
    >>> [xb.tolist() for xb in minibatches(x, batch_size=4, shuffle=False)]
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0]]
    """
    name = "minibatches"
    length = _common_length(name, arrays)
    batch_size = integer(name, "batch_size", batch_size, low=1)
    shuffle = flag(name, "shuffle", shuffle)
    drop_last = flag(name, "drop_last", drop_last)
    classes = None if stratify is None else _classes(name, stratify, length)
    if classes is not None and not shuffle:
        raise ValueError(f"{name}: stratify must be None when shuffle is False, got {kind(stratify)}")
    return Minibatches(arrays, batch_size, _seed(name, rng), shuffle=shuffle, drop_last=drop_last, classes=classes)


class Minibatches(Generic[Batch_co]):
    """The batches of an epoch, again and again; made by `minibatches`.

    Each loop over it is the next epoch. A loop left early ends its epoch: the next one starts afresh, with another
    order. To go on in the middle instead, save `state_dict` and give it to `load_state_dict`, here or on an equal
    object in another process: the next loop then yields exactly the batches that were left. One loop at a time keeps
    the state.

    Parameters
    ----------
    arrays : tuple of arrays
        The arrays.
    batch_size : int
        Rows in a batch.
    seed : int
        What the orders follow from.
    shuffle, drop_last : bool
        As for `minibatches`.
    classes : numpy.ndarray of int, optional
        Class of each row, for stratified batches.

    Examples
    --------
    >>> batches = minibatches(np.arange(6), batch_size=2, rng=0)
    >>> for batch in batches:
    ...     state = batches.state_dict()
    ...     break
    >>> state
    {'seed': 0, 'epoch': 0, 'position': 1}
    >>> batches.load_state_dict(state)
    >>> len(list(batches))  # what the loop above left
    2
    >>> batches
    Minibatches(arrays=1, length=6, batch_size=2, seed=0, epoch=1, position=0)
    """

    def __init__(
        self,
        arrays: tuple[Any, ...],
        batch_size: int,
        seed: int,
        *,
        shuffle: bool,
        drop_last: bool,
        classes: "npt.NDArray[np.integer] | None",
    ) -> None:
        self._arrays = arrays
        self._length = len(arrays[0])
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._drop_last = drop_last
        self._classes = classes
        self._seed = seed
        self._epoch = 0  # of the batch to come
        self._position = 0  # of that batch in its epoch
        self._resume = False

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        full, rest = divmod(self._length, self._batch_size)
        return full if self._drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[Batch_co]:
        """Yield the batches of the next epoch, or those left of a resumed one."""
        if self._position and not self._resume:
            self._epoch, self._position = self._epoch + 1, 0
        self._resume = False
        epoch, count = self._epoch, len(self)
        order = self._order(epoch) if self._shuffle else None
        for position in range(self._position, count):
            batch = self._batch(position, order)
            self._epoch, self._position = (epoch, position + 1) if position + 1 < count else (epoch + 1, 0)
            yield batch

    def __repr__(self) -> str:
        state = ", ".join(f"{key}={value}" for key, value in self.state_dict().items())
        return f"Minibatches(arrays={len(self._arrays)}, length={self._length}, batch_size={self._batch_size}, {state})"

    def state_dict(self) -> dict[str, int]:
        """Tell which batch comes next.

        Returns
        -------
        dict
            ``seed``; ``epoch`` and ``position``, the epoch and the place in it of the next batch, both from 0. Plain
            integers, fit for JSON.
        """
        return {"seed": self._seed, "epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Let the next loop begin where a state was taken.

        Parameters
        ----------
        state : dict
            What `state_dict` gave, from an object over the same arrays with the same options.

        Raises
        ------
        TypeError
            Not a dict, or an entry is not an integer.
        ValueError
            An entry is missing, unknown or out of range.
        """
        name, keys = "Minibatches.load_state_dict", ("seed", "epoch", "position")
        if not isinstance(state, Mapping):
            raise TypeError(f"{name}: state must be a dict, got {kind(state)}")
        if set(state) != set(keys):
            raise ValueError(f"{name}: state must have the keys {list(keys)}, got {list(state)}")
        last = max(len(self) - 1, 0)
        seed, epoch, position = (
            integer(name, key, state[key], low=0, high=last if key == "position" else None) for key in keys
        )
        self._seed, self._epoch, self._position, self._resume = seed, epoch, position, True

    def _order(self, epoch: int) -> Any:
        """Draw the order of an epoch and bring it to where the arrays are."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(epoch,))))
        if self._classes is None:
            order = rng.permutation(self._length)
        else:
            order = _stratified_order(rng, self._classes, min(self._batch_size, self._length + 1))
        array = self._arrays[0]
        with _device(array):
            return namespace("minibatches", "arrays[0]", array).asarray(order)

    def _batch(self, position: int, order: Any) -> Any:
        rows = slice(position * self._batch_size, (position + 1) * self._batch_size)
        if order is None:
            batch = tuple(array[rows] for array in self._arrays)
        else:
            with _device(self._arrays[0]):  # take: 4 times faster than indexing for NumPy's rows of 64 float32
                batch = tuple(array.take(order[rows], axis=0) for array in self._arrays)
        return batch if len(batch) > 1 else batch[0]


def _stratified_order(
    rng: "np.random.Generator", classes: "npt.NDArray[np.integer]", batch_size: int
) -> "npt.NDArray[np.intp]":
    """Order the rows so that contiguous batches hold each class in its share."""
    length = len(classes)
    full, rest = divmod(length, batch_size)
    order = rng.permutation(length)
    order = order[np.argsort(classes[order], kind="stable")]
    spaced = (np.arange(rest) * length + rng.integers(max(length, 1))) // max(rest, 1)
    last = rng.permutation(order[spaced])
    # Batch b takes the places b, b + full, b + 2 full, …: of any run of one class, every batch gets as many, give or
    # take one. Then the batches are shuffled, and the rows within each.
    dealt = np.delete(order, spaced).reshape(batch_size, full).T
    dealt = rng.permuted(rng.permutation(dealt), axis=1)
    return np.concatenate([dealt.ravel(), last])


def _common_length(name: str, arrays: tuple[Any, ...]) -> int:
    """Check that arrays of one library and device have one length, and return it."""
    if not arrays:
        raise TypeError(f"{name}: arrays must be at least one array, got none")
    libraries = [namespace(name, f"arrays[{i}]", array).__name__ for i, array in enumerate(arrays)]
    for i, array in enumerate(arrays):
        if libraries[i] != libraries[0]:
            came = f"arrays[0] of {libraries[0]} and arrays[{i}] of {libraries[i]}"
            raise TypeError(f"{name}: arrays must come from one library, got {came}")
        if not array.shape:
            raise ValueError(f"{name}: arrays[{i}] must have at least one axis, got shape ()")
        if is_cupy(array) and array.device != arrays[0].device:
            came = f"arrays[0] on {arrays[0].device} and arrays[{i}] on {array.device}"
            raise ValueError(f"{name}: arrays must be on one device, got {came}")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name}: arrays must have equal lengths, got {', '.join(map(str, lengths))}")
    return lengths[0]


def _classes(name: str, labels: Any, length: int) -> "npt.NDArray[np.integer]":
    """Check class labels and number the classes on the host, in as few bits as they need: sorting is then linear."""
    namespace(name, "stratify", labels)
    if labels.dtype.kind not in "biu":
        raise TypeError(f"{name}: stratify must be integer labels, got dtype {labels.dtype}")
    if labels.shape != (length,):
        raise ValueError(f"{name}: stratify must have shape ({length},), got {tuple(labels.shape)}")
    host = labels.get() if is_cupy(labels) else labels
    classes, index = np.unique(host, return_inverse=True)
    return index.astype(np.min_scalar_type(len(classes)))


def _seed(name: str, rng: object) -> int:
    """Take a seed as it is, or draw one of 63 bits."""
    if rng is None or isinstance(rng, np.random.Generator):
        return int(np.random.default_rng(rng).integers(2**63 - 1))
    expected = "None, an integer >= 0 or a numpy.random.Generator"
    try:
        return integer(name, "rng", rng, low=0)
    except TypeError:
        raise TypeError(f"{name}: rng must be {expected}, got {kind(rng)}") from None
    except ValueError:
        raise ValueError(f"{name}: rng must be {expected}, got {rng}") from None


def _device(array: Any) -> contextlib.AbstractContextManager[Any]:
    return array.device if is_cupy(array) else contextlib.nullcontext()
