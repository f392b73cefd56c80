"""How long the CPU's kernels of some operations take to compile: `python benchmarks/compilation.py`.

A process with an empty cache calls every form of them, and times the calls that compile; Python's own start and what
all kernels share are not in it.
"""

import os
import subprocess
import sys
import tempfile

SCRIPT = """
import time
import numpy as np, fastloa as fl
from fastloa_kernels.engines.numba_cpu import compilation

x, made, dispatcher = np.linspace(0.1, 0.9, 5000, dtype=np.float32), [], compilation.dispatcher

def counted(*arguments, **options):
    made.append(arguments[0])
    return dispatcher(*arguments, **options)

def activation(name):
    f = getattr(fl, name)
    f(x), f.derivative(x), f.backward(x, x)

def loss(name):
    f = getattr(fl, name)
    f(x, x), f.value_and_grad(x, x), f.grad(x, x), f.grad_and_hess(x, x)

activation("relu"), loss("huber_loss")  # what all have in common
compilation.dispatcher = counted
start = time.process_time()
for name in ("selu", "mish", "softplus", "silu", "tanh", "hardswish", "softsign", "squareplus"):
    activation(name)
for name in ("mse_loss", "l1_loss", "log_cosh_loss", "binary_cross_entropy", "poisson_nll_loss", "quantile_loss"):
    loss(name)
print(f"{len(made)} kernels of 14 operations in {time.process_time() - start:.1f} s of processor time")
"""


def main() -> None:
    """Print it."""
    with tempfile.TemporaryDirectory() as cache:
        subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True)


if __name__ == "__main__":
    main()
