"""Muon's two steps, before its momentum is made orthogonal and after: see `optimizers` for what steps share."""

from fastloa_kernels.formulas.optimizers import drawn, shrunk
from fastloa_kernels.records import Step


def muon_momentum(p, g, ahead, rest, share, sign):
    # Here p is the momentum; what was ahead of it is overwritten.
    d = sign * g
    m = drawn(p, d, rest)
    return m, (drawn(d, m, share) if share != 1.0 else m)


def muon(p, g, momentum_buffer, lr, decay):
    # Here g is what was made of the momentum.
    return shrunk(p, decay) - lr * g, momentum_buffer


MUON_MOMENTUM = Step(muon_momentum, ("ahead",))
MUON = Step(muon, ("momentum_buffer",))
