"""Matrix products: cubes from the first cache to memory, skinny, transposed and batched ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import nncore as nc
from bench.bench import Bench

CUBES = (48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)


def matrices(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Random float32 matrices."""
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]


def contest(name: str, a: np.ndarray, b: np.ndarray, torch) -> Bench:
    """a @ b, with the memory layout that the arrays have."""
    run = {"nncore": _product(nc.matmul, nc.from_numpy(a), nc.from_numpy(b)), "numpy": _product(np.matmul, a, b)}
    if torch:
        run["torch"] = _product(torch.matmul, torch.from_numpy(a), torch.from_numpy(b))
    return Bench("gemm", name, run, flops=2.0 * a.size * b.shape[-1])


def _product(matmul, a, b):
    return lambda: matmul(a, b)


def benches(torch) -> Iterator[Bench]:
    """The fifteen shapes."""
    for n in CUBES:
        yield contest(f"{n}^3", *matrices((n, n), (n, n)), torch)
    yield contest("128x256x784", *matrices((128, 784), (784, 256)), torch)
    a, b = matrices((64, 4096), (10, 4096))
    yield contest("64x10x4096, B transposed", a, b.T, torch)
    a, b = matrices((512, 512), (512, 512))
    yield contest("512^3, A transposed", a.T, b, torch)
    yield contest("64 times 64^3", *matrices((64, 64, 64), (64, 64, 64)), torch)
