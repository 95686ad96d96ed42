"""python small_cases.py [--seconds N] [--json FILE]: small calls of every operation, forward and backward, on the GPU
and on the CPU, which must agree. Made to be run under compute-sanitizer, which slows kernels down a hundredfold: it
ends when its time is over, and says how far it came. Families take turns, so that each is met early."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import nncore as nc  # noqa: E402
from op_cases import Case, Sample, all_cases  # noqa: E402
from test_ops import draw_for, results, to_tensors  # noqa: E402

MOST = 3000  # elements of a call's arguments


def in_turns(cases: list[Case]) -> Iterator[Case]:
    """The first case of each family, the second of each, and so on."""
    families: dict[str, list[Case]] = {}
    for case in cases:
        families.setdefault(case.samples.__module__, []).append(case)
    return (case for case in chain(*zip_longest(*families.values())) if case)


def size(sample: Sample) -> int:
    """The elements of the arguments."""
    return sum(a.size for a in (*sample.args, *sample.kwargs.values()) if isinstance(a, np.ndarray))


def chosen(case: Case, dtype: str) -> list[Sample]:
    """The first sample that has elements, and the largest that is small."""
    small = [s for s in case.samples(draw_for(case, dtype)) if 0 < size(s) <= MOST]
    return small[:1] + [s for s in [max(small, key=size, default=None)] if s is not None and s is not small[0]]


def values(function, sample: Sample, device: str, derivative: bool) -> list[np.ndarray]:
    """Results and gradients on a device."""
    args = to_tensors(sample.args, derivative, device)
    y = function(*args, **to_tensors(sample.kwargs, device=device))
    outputs = [v for v in (y if isinstance(y, (tuple, list)) else [y]) if isinstance(v, nc.Tensor)]
    inputs = [a for a in args if isinstance(a, nc.Tensor) and a.requires_grad]
    rough = [v for v in outputs if v.requires_grad]
    gradients = []
    if inputs and rough:
        ones = [nc.ones(*v.shape, dtype=v.dtype, device=device) for v in rough]
        gradients = [g for g in nc.autograd.grad(rough, inputs, ones, allow_unused=True) if g is not None]
    return results(outputs + gradients)


def difference(case: Case, dtype: str, sample: Sample) -> str:
    """How the two devices disagree, or ""."""
    try:
        expected = values(case.function, sample, "cpu", case.derivatives > 0)
        got = values(case.function, sample, "cuda", case.derivatives > 0)
        nc.cuda.synchronize()
        rtol, atol = case.tolerance[dtype]
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=4 * rtol, atol=4 * atol, equal_nan=True)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def by_tensor_cores() -> str:
    """Products that the tensor cores take, with tails everywhere."""
    random = np.random.default_rng(0)
    a, b = (nc.tensor(random.integers(-3, 4, shape).astype(np.float32)) for shape in ((130, 96), (96, 70)))
    nc.set_float32_matmul_precision("high")
    try:
        np.testing.assert_array_equal((a.cuda() @ b.cuda()).cpu().numpy(), (a @ b).numpy())
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        nc.set_float32_matmul_precision("highest")
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long it goes on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found to a file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    until = time.monotonic() + options.seconds
    found = {"matmul, high": by_tensor_cores()}
    cases, left = list(in_turns(all_cases())), []
    for case in cases:
        if time.monotonic() > until:
            left.append(case.name)
            continue
        dtype = "float32" if "float32" in case.dtypes else case.dtypes[0]
        for sample in chosen(case, dtype):
            found[f"{case.name} {sample.label}".strip()] = difference(case, dtype, sample)
    bad = {name: text for name, text in found.items() if text}
    lines = [f"{len(found) - len(bad)} of {len(found)} calls agree with the CPU"]
    lines += [f"time for {len(cases) - len(left)} of {len(cases)} operations"] if left else []
    lines += [f"{name}: {text}" for name, text in bad.items()]
    print(*lines, sep="\n")
    if options.json:
        options.json.write_text(json.dumps({"differences": bad, "calls": len(found), "left": left, "lines": lines}))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
