"""The CPU engine: formulas compiled by numba, run by all cores, with bits that depend on no thread count."""
