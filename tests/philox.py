"""Philox-4x32-10 in Python's integers, as the paper has it, and Random123's known answers."""

import numpy as np

# Seed, stream, block, and the words of the block: the file kat_vectors of Random123.
KNOWN = [
    (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (2**64 - 1, 2**64 - 1, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (0x299F31D0A4093822, 0x0370734413198A2E, 0x85A308D3243F6A88, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


def words(seed, stream, block):
    """Give the four words of a block."""
    low = 2**32 - 1
    counter, key = [block & low, block >> 32, stream & low, stream >> 32], [seed & low, seed >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ key[0], second & low, first >> 32 ^ counter[3] ^ key[1], first & low]
        key = [key[0] + 0x9E3779B9 & low, key[1] + 0xBB67AE85 & low]
    return counter


def uniforms(seed, stream, start, count, dtype):
    """Give the numbers of a stream from one on."""
    found = []
    for number in range(start, start + count):
        block = words(seed, stream, number // 2)
        low, high = block[2:] if number % 2 else block[:2]
        found.append((high >> 8) / 2**24 if dtype == "float32" else (low | high << 32) // 2**11 / 2**53)
    return np.array(found, dtype)
