"""python yardsticks.py [--seconds N] [--json FILE]: what PyTorch's libraries (cuBLAS, cuDNN, fused kernels) reach on
this GPU, without nncore: what there is to be compared with. Ends when its time is over, and names what is left."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

DEVICE = "cuda"
KINDS = {"float32": (torch.float32, False), "tf32": (torch.float32, True), "bfloat16": (torch.bfloat16, False)}
CUBES = (4096, 8192, 2048, 1024)
# Layers of ResNet-50: batch, channels, height = width, filters, their height = width, stride
LAYERS = [(64, 64, 56, 64, 3, 1), (64, 256, 14, 256, 3, 1), (64, 256, 56, 64, 1, 1), (64, 3, 224, 64, 7, 2)]
ADAM = [(1 << 18,)] * 80 + [(1 << 16,)] * 60 + [(256,)] * 20  # 25 million parameters in 160 tensors

# A name, what runs once, how much work that is, and its unit.
Yardstick = tuple[str, Callable[[], object], float, str]


def milliseconds(run: Callable[[], object], seconds: float = 0.15) -> float:
    """The median time of a run, after two that warm up."""
    run()
    run()
    times = []
    until = time.monotonic() + seconds
    while len(times) < 5 or (time.monotonic() < until and len(times) < 200):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def memory() -> Iterator[Yardstick]:
    x = torch.randn(1 << 28, device=DEVICE)
    y = torch.empty_like(x)
    yield "copy 1 GiB", lambda: y.copy_(x), 2 * x.nbytes, "TB/s"
    yield "sum 1 GiB", lambda: x.sum(), x.nbytes, "TB/s"
    yield "relu 1 GiB", lambda: torch.relu(x), 2 * x.nbytes, "TB/s"


def products() -> Iterator[Yardstick]:
    for n in CUBES:
        for name, (dtype, tf32) in KINDS.items():
            torch.backends.cuda.matmul.allow_tf32 = tf32
            a, b = (torch.randn(n, n, device=DEVICE, dtype=dtype) for _ in range(2))
            yield f"{name} product {n}^3", lambda a=a, b=b: a @ b, 2.0 * n**3, "TFLOP/s"


def convolutions() -> Iterator[Yardstick]:
    torch.backends.cudnn.benchmark = True
    for batch, channels, size, filters, window, stride in LAYERS:
        for name, (dtype, tf32) in KINDS.items():
            torch.backends.cudnn.allow_tf32 = tf32
            first = channels == 3  # the images: no gradient is wanted of them
            x = torch.randn(batch, channels, size, size, device=DEVICE, dtype=dtype, requires_grad=not first)
            w = torch.randn(filters, channels, window, window, device=DEVICE, dtype=dtype, requires_grad=True)
            gy = torch.randn_like(F.conv2d(x, w, stride=stride, padding=window // 2))
            wanted = [w] if first else [x, w]

            def run(x=x, w=w, gy=gy, wanted=wanted, stride=stride, padding=window // 2):
                return torch.autograd.grad(F.conv2d(x, w, stride=stride, padding=padding), wanted, gy)

            work = 2.0 * gy.numel() * w[0].numel() * (1 + len(wanted))
            label = f"{batch}x{channels}x{size}^2, {filters} of {window}^2, stride {stride}"
            yield f"{name} convolution {label}, training", run, work, "TFLOP/s"


def losses() -> Iterator[Yardstick]:
    for rows, classes in ((1 << 15, 1000), (4096, 32768)):
        scores = torch.randn(rows, classes, device=DEVICE, requires_grad=True)
        labels = torch.randint(0, classes, (rows,), device=DEVICE)

        def run(scores=scores, labels=labels):
            return torch.autograd.grad(F.cross_entropy(scores, labels), scores)

        yield f"cross-entropy {rows} x {classes}, training", run, 2.0 * scores.nbytes, "TB/s"


def optimizers() -> Iterator[Yardstick]:
    for name in ("fused", "foreach"):
        parameters = [torch.randn(shape, device=DEVICE, requires_grad=True) for shape in ADAM]
        for p in parameters:
            p.grad = torch.randn_like(p)
        step = torch.optim.Adam(parameters, **{name: True}).step
        yield f"Adam, {name}, 160 tensors", step, 28.0 * sum(p.numel() for p in parameters), "TB/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long it goes on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to a file")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    properties = torch.cuda.get_device_properties(0)
    lines, measured, left = [f"{properties.name}, PyTorch {torch.__version__}"], [], []
    for group in (memory, products, losses, optimizers, convolutions):
        for name, run, work, unit in group():
            if time.monotonic() > until:
                left.append(group.__name__)
                break
            took = milliseconds(run)
            measured.append({"name": name, "milliseconds": took, "reached": work / took / 1e9, "unit": unit})
            lines.append(f"{name:<64} {took:>9.3f} ms {work / took / 1e9:>8.2f} {unit}")
            print(lines[-1], flush=True)
    lines += [f"no time for all of: {', '.join(left)}"] if left else []
    if options.json:
        options.json.write_text(json.dumps({"measured": measured, "left": left, "lines": lines}))


if __name__ == "__main__":
    main()
