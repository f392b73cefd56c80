"""What every operation should give: the textbook's definitions, in mpmath and in plain NumPy, found here by name.

They share nothing with the library: no formula, no rearrangement for the sake of rounding. Cancellation is met with
digits (the harness sets mpmath's precision), and limits at infinities are written out. NaN never comes here: the
harness knows what becomes of it.
"""

from tests.references.activations import *  # noqa: F403
from tests.references.alignments import *  # noqa: F403
from tests.references.class_margins import *  # noqa: F403
from tests.references.deviances import *  # noqa: F403
from tests.references.divergences import *  # noqa: F403
from tests.references.focal import *  # noqa: F403
from tests.references.gated import *  # noqa: F403
from tests.references.joint import *  # noqa: F403
from tests.references.label_losses import *  # noqa: F403
from tests.references.limits import *  # noqa: F403
from tests.references.losses import *  # noqa: F403
from tests.references.margins import *  # noqa: F403
from tests.references.optimizers import *  # noqa: F403
from tests.references.rows import *  # noqa: F403
from tests.references.vectors import *  # noqa: F403
