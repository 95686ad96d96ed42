"""The random numbers once more: Philox4x32-10 in NumPy. Uniform numbers, integers and dropout agree to the last bit;
normal ones to the rounding of their logarithms and cosines."""

import numpy as np

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(blocks, offset, seed):
    """The four 32-bit words of each block, as uint64: [4, len(blocks)]."""
    blocks = np.asarray(blocks, np.uint64)
    c = [blocks & _LOW, blocks >> _32, np.full_like(blocks, offset & 0xFFFFFFFF), np.full_like(blocks, offset >> 32)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> _32) ^ c[1] ^ np.uint64(key[0]), p1 & _LOW, (p0 >> _32) ^ c[3] ^ np.uint64(key[1]), p0 & _LOW]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c)


def words(count, offset, seed):
    """The 32-bit word of each element: word e // 16 of block 16 g + e % 16, in groups g of 64 elements e."""
    i = np.arange(count)
    blocks = philox(16 * (i // 64) + i % 16, offset, seed)
    return blocks[i % 64 // 16, i]


def wide_words(count, offset, seed):
    """The 64-bit word of each element: words 2 h and 2 h + 1, h = e // 16, in groups of 32 elements e."""
    i = np.arange(count)
    blocks = philox(16 * (i // 32) + i % 16, offset, seed)
    half = i % 32 // 16
    return blocks[2 * half, i] | blocks[2 * half + 1, i] << _32


def uniform(count, offset, seed, dtype=np.float32):
    if dtype == np.float32:
        return (words(count, offset, seed) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return (wide_words(count, offset, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(count, offset, seed, low, high):
    return np.array([low + (int(w) * (high - low) >> 64) for w in wide_words(count, offset, seed)], np.int64)


def normal(count, offset, seed, dtype=np.float32):
    """Box and Muller: the first 16 of 32 elements take the cosine, the others the sine, of the same two words."""
    full = -(-count // 64) * 64
    if dtype == np.float32:
        w = words(full, offset, seed).reshape(-1, 2, 2, 16)  # group, pair, which of the pair, block
        u, v = (w[:, :, 0] + 1.0) * 2.0**-32, w[:, :, 1] * 2.0**-32
    else:
        w = (wide_words(full, offset, seed) >> np.uint64(11)).astype(np.float64).reshape(-1, 1, 2, 16)
        u, v = (w[:, :, 0] + 1) * 2.0**-53, w[:, :, 1] * 2.0**-53
    r, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    return np.stack([r * np.cos(angle), r * np.sin(angle)], 2).ravel()[:count].astype(dtype)


def dropout_mask(count, offset, seed, p):
    return words(count, offset, seed) >= round(p * 2**32)
