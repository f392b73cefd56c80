"""The second GPU engine: plain skeletons compiled by numba-cuda, or run by its simulator where there is no GPU."""
