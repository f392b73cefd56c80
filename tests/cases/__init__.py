"""The table of all public operations: to add an operation is to add one case here, beside its kin.

A case names the operation, its option sets, domain, hard points and kinks, and how many ulp it may be off; its
references stand in ``tests/references/`` under the operation's name. ``tests/subjects.py`` walks the table.
"""

from tests.cases import activations, losses, optimizers
from tests.cases.edges import FACTORS as FACTORS
from tests.cases.kinds import *  # noqa: F403

CASES = (*activations.CASES, *losses.CASES, *optimizers.CASES)
BY_NAME = {case.name: case for case in CASES}
