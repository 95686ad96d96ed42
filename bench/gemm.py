"""Matrix products: cubes from the first cache to memory, skinny, transposed and batched ones; on tensor cores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import nncore as nc
from bench.bench import Bench, importer

CUBES = (48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
GPU_CUBES = (2048, 4096, 8192)  # more than a CPU does in good time


def matrices(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Random float32 matrices."""
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]


def contest(name: str, shapes, torch, device: str, layout: str = "", **options) -> Bench:
    """a @ b. layout: which of them is transposed in memory, "a" or "b"."""

    def maker(library):
        def make():
            a, b = matrices(*shapes)
            a, b = np.asfortranarray(a) if layout == "a" else a, np.asfortranarray(b) if layout == "b" else b
            if library is not np:
                a, b = map(importer(library, device), (a, b))
                if options.get("dtype"):
                    a, b = (x.to(getattr(library, options["dtype"])) for x in (a, b))
            return lambda: library.matmul(a, b)

        return make

    make = {"nncore": maker(nc)}
    if device == "cpu":
        make["numpy"] = maker(np)
    if torch:
        make["torch"] = maker(torch)
    group, precision = options.get("group", "gemm"), options.get("precision", "highest")
    flops = 2.0 * np.prod(shapes[0]) * shapes[1][-1]
    return Bench(group, name, make, flops=float(flops), device=device, precision=precision)


def benches(torch, device: str) -> Iterator[Bench]:
    """The fifteen shapes, and what only a GPU is large enough for."""
    for n in (*CUBES, *(GPU_CUBES if device == "cuda" else ())):
        yield contest(f"{n}^3", [(n, n), (n, n)], torch, device)
    yield contest("128x256x784", [(128, 784), (784, 256)], torch, device)
    yield contest("64x10x4096, B transposed", [(64, 4096), (4096, 10)], torch, device, "b")
    yield contest("512^3, A transposed", [(512, 512), (512, 512)], torch, device, "a")
    yield contest("64 times 64^3", [(64, 64, 64), (64, 64, 64)], torch, device)


def tensor_core_benches(torch, device: str) -> Iterator[Bench]:
    """Large products in the number formats of tensor cores: TF32, and 16 bits where nncore has them."""
    for n in GPU_CUBES[1:]:
        shapes = [(n, n), (n, n)]
        yield contest(f"{n}^3 TF32", shapes, torch, device, group="tensor_cores", precision="high")
        for dtype in ("bfloat16", "float16"):
            if hasattr(nc, dtype):
                yield contest(f"{n}^3 {dtype}", shapes, torch, device, group="tensor_cores", dtype=dtype)
