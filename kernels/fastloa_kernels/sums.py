"""The order in which every engine adds numbers up, so that a sum depends on no thread count, layout or device.

Elements are taken in blocks of `BLOCK`. A block is summed as a tree: the upper half is added onto the lower half until
one number is left. The blocks' sums go round `LANES` lanes, each lane in order, and the lanes end as a tree again.
Sums are float64; those of float64 elements carry their rounding errors along (Knuth's two-sum) in a second number, so
that the result is the exact sum rounded once, save for the last bit.
"""

BLOCK = 2048
LANES = 1024
