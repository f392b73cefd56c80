"""Steps that keep a mean of the parameters they went through: ASGD, and Lookahead's of another optimizer's steps."""

from fastloa_kernels.formulas.optimizers import decayed, drawn, shrunk, towards
from fastloa_kernels.records import Step


def asgd(p, g, ax, rate, decay, share, weight_decay, sign):
    new = shrunk(p, decay) - rate * decayed(p, g, weight_decay, sign)
    # Before there is a mean it is the parameter, whatever stood there.
    return new, (new if share == 1.0 else drawn(ax, new, share))


def lookahead(p, g, slow, alpha):
    new = towards(slow, p, alpha)
    return new, new


ASGD = Step(asgd, ("ax",))
LOOKAHEAD = Step(lookahead, ("slow",))
