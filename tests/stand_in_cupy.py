"""A stand-in for CuPy where there is no GPU: arrays that live on the host and count what a device would wait for."""

import contextlib
import sys
import types

import numpy as np


class Device(contextlib.AbstractContextManager):
    """A CUDA device: whether it is current, how often it was read, and how often it was given an array."""

    def __init__(self, number):
        self.number, self.depth, self.reads, self.uploads = number, 0, 0, 0

    def __enter__(self):
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1

    def __repr__(self):
        return f"device {self.number}"


class ndarray:
    """What fastloa's training needs of CuPy's arrays."""

    __module__ = "cupy"

    def __init__(self, host, device):
        self.host, self.device = np.asarray(host), device
        self.shape, self.dtype, self.size = self.host.shape, self.host.dtype, self.host.size

    def __getattr__(self, name):
        method = getattr(self.host, name)
        return lambda *args, **options: ndarray(method(*args, **options), self.device)

    def __len__(self):
        return len(self.host)

    def __getitem__(self, key):
        return ndarray(self.host[key], self.device)

    def __setitem__(self, key, value):
        assert isinstance(value, ndarray), "a value of the host would wait for the device"
        self.host[key] = value.host

    def __abs__(self):
        return ndarray(abs(self.host), self.device)

    def __mul__(self, other):
        return ndarray(self.host * other.host, self.device)

    def __add__(self, other):
        return ndarray(self.host + getattr(other, "host", other), self.device)

    def __and__(self, other):
        return ndarray(self.host & getattr(other, "host", other), self.device)

    __radd__, __rand__ = __add__, __and__

    def take(self, index, axis):
        """Gather rows; the index must be on the device, and the device current."""
        assert isinstance(index, ndarray)
        assert self.device.depth == 1
        return ndarray(self.host.take(index.host, axis=axis), self.device)

    def get(self):
        """Copy to the host."""
        self.device.reads += 1
        return self.host.copy()

    def __float__(self):
        self.device.reads += 1
        return float(self.host)

    def __bool__(self):
        self.device.reads += 1
        return bool(self.host)


def install(monkeypatch):
    """Put a stand-in with one device in the place of CuPy, and return it."""
    device = Device(0)

    def asarray(host):
        assert device.depth == 1, "the device must be current"
        device.uploads += 1
        return ndarray(host, device)

    module = types.SimpleNamespace(
        __name__="cupy",
        ndarray=ndarray,
        device=device,
        asarray=asarray,
        empty=lambda size, dtype: ndarray(np.full(size, -1, dtype), device),
        isfinite=lambda x: ndarray(np.isfinite(x.host), device),
        ldexp=lambda x, exponent: ndarray(np.ldexp(x.host, exponent), device),
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module
