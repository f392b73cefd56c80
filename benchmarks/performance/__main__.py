"""Measures the CPU of this machine, or writes the page and the plots of what was measured.

python -m benchmarks.performance measure [SECTION ...]     into benchmarks/results/cpu
python -m benchmarks.performance report                    docs/performance.md and docs/performance/*.svg
"""

import argparse
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "cpu"


def main() -> None:
    """Run one of them."""
    from benchmarks.performance import report, sections

    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("measure", "report"))
    parser.add_argument("section", nargs="*", help=f"of {', '.join(sections.SECTIONS)}; all by default")
    parser.add_argument("--repeat", type=int, default=9, help="samples of each competitor")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: walks through every row")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if unknown := set(given.section) - set(sections.SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}: choose from {', '.join(sections.SECTIONS)}")
    if given.command == "measure":
        plan = sections.Plan(given.repeat, tiny=given.tiny)
        sections.measure(plan, given.section or list(sections.SECTIONS), given.out)
    else:
        report.write(given.out)


if __name__ == "__main__":
    sys.exit(main())
