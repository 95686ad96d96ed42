"""What every operation must do, from the case tables alone: values, gradients, errors, determinism.

With `--device cuda` all of it on the GPU.
"""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import pytest

import nncore as nc
from nncore.testing import gradcheck, gradgradcheck
from op_cases import Case, Draw, all_cases

CASES = all_cases()
pytestmark = [  # what operations are right to warn of, as PyTorch does, on samples that are made for it
    pytest.mark.filterwarnings("ignore:Using a target size"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
    pytest.mark.filterwarnings("ignore:from_numpy. the array is not writable"),
]
by_name = pytest.mark.parametrize("case", CASES, ids=str)


def draw_for(case: Case, dtype: str) -> Draw:
    return Draw(dtype, seed=zlib.crc32(case.name.encode()))


def to_tensors(value, requires_grad: bool = False, device: str = "cpu"):
    """Arrays replaced by tensors with the same strides: on the CPU over the same memory, elsewhere copies."""
    if isinstance(value, np.ndarray):
        value = value if value.flags.writeable else _same_strides(value)
        tensor = nc.from_numpy(value)
        tensor = tensor if device == "cpu" else moved(tensor, device)
        return tensor.requires_grad_() if requires_grad and tensor.is_floating_point() else tensor
    if isinstance(value, (tuple, list)):
        return type(value)(to_tensors(v, requires_grad, device) for v in value)
    if isinstance(value, dict):
        return {k: to_tensors(v, requires_grad, device) for k, v in value.items()}
    return value


def moved(x: nc.Tensor, device: str) -> nc.Tensor:
    """A copy of `x` on the device with its strides, if they are those of a slice of a larger array."""
    if x.numel() == 0 or x.is_contiguous():
        return x.to(device)
    once = x[tuple(slice(0, 1) if s == 0 else slice(None) for s in x.stride())]
    order = sorted((d for d in range(x.ndim) if x.shape[d] > 1 and x.stride(d) != 0), key=x.stride, reverse=True)
    if not order:
        return once.to(device).expand(*x.shape)
    steps = [x.stride(d) for d in order]
    extents = [x.shape[order[0]]] + [a // b for a, b in pairwise(steps)]
    fits = all(a > 0 and a % b == 0 for a, b in zip(steps, [*steps[1:], 1], strict=True))
    if not fits or any(extent < x.shape[d] for extent, d in zip(extents, order, strict=True)):
        return x.to(device)
    memory = nc.full((*extents, steps[-1]), 77, device=device).to(x.dtype)[..., 0]
    part = memory[tuple(slice(x.shape[d]) for d in order)]
    full = part.permute(*(order.index(d) for d in sorted(order)))
    for d in range(x.ndim):
        if d not in order:
            full = full.unsqueeze(d)
    full.copy_(once)
    return full.expand(*x.shape)


def _same_strides(x: np.ndarray) -> np.ndarray:
    """A writeable array with the layout of a broadcast one."""
    base = np.ascontiguousarray(x[tuple(slice(0, 1) if s == 0 else slice(None) for s in x.strides)])
    return np.lib.stride_tricks.as_strided(base, x.shape, tuple(b * (s != 0) for b, s in zip(base.strides, x.strides)))


def run_to_its_end(case: Case, sample, device: str) -> None:
    """Calls it and waits: kernels tell of wrong indices and labels when they are done."""
    case.function(*to_tensors(sample.args, device=device), **to_tensors(sample.kwargs, device=device))
    if device != "cpu":
        nc.cuda.synchronize()


def results(value) -> list[np.ndarray]:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [v.detach().numpy(force=True) if hasattr(v, "detach") else np.asarray(v) for v in values]


def poison(bytes_wanted: int, device: str) -> None:
    """Leaves memory full of NaN where the next result of that size will be placed."""
    for size in {max(bytes_wanted // 4, 1), max(bytes_wanted // 2, 1), max(bytes_wanted, 1)}:
        nc.full((size // 4 + 1,), float("nan"), dtype=nc.float32, device=device)


def expect_equal(case: Case, sample, got, expected, dtype: str) -> None:
    rtol, atol = case.tolerance[dtype]
    got, expected = results(got), results(expected)
    assert len(got) == len(expected)
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape, f"{case.name} {sample.label}: shape {g.shape}, expected {e.shape}"
        assert g.dtype == e.dtype, f"{case.name} {sample.label}: {g.dtype}, expected {e.dtype}"
        np.testing.assert_allclose(g, e, rtol=rtol, atol=atol, equal_nan=True, err_msg=f"{case.name} {sample.label}")


@by_name
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, for infinities and NaN in the samples
def test_forward(case, dtype, isa, device):
    if dtype not in case.dtypes:
        pytest.skip("not defined for this dtype")
    for sample in case.samples(draw_for(case, dtype)):
        expected = case.reference(*sample.args, **sample.kwargs)
        poison(sum(r.nbytes for r in results(expected)), device)
        got = case.function(*to_tensors(sample.args, device=device), **to_tensors(sample.kwargs, device=device))
        expect_equal(case, sample, got, expected, dtype)


@by_name
def test_gradients(case, device):
    """On other devices one sample of each and first derivatives: rules are the same everywhere, kernels are not."""
    if case.derivatives == 0:
        pytest.skip("has no derivative")
    checked = 0
    on_cpu = device == "cpu"
    for sample in case.samples(draw_for(case, "float64")):
        if not sample.smooth or (checked and not on_cpu):
            continue
        small = all(a.size <= 400 for a in sample.args if isinstance(a, np.ndarray))
        args = to_tensors(tuple(_own(a) for a in sample.args), True, device)
        kwargs = to_tensors(sample.kwargs, device=device)
        inputs = [a for a in args if isinstance(a, nc.Tensor) and a.requires_grad]
        if not inputs or not small:
            continue

        def function(*moved, args=args, kwargs=kwargs):
            moved = iter(moved)
            full = [next(moved) if isinstance(a, nc.Tensor) and a.requires_grad else a for a in args]
            return case.function(*full, **kwargs)

        assert gradcheck(function, inputs, fast_mode=True), sample.label
        if case.derivatives > 1 and on_cpu:
            assert gradgradcheck(function, inputs, fast_mode=True), sample.label
        checked += 1
    assert checked, f"{case.name} has no sample to differentiate"


def _own(value):
    """An array that may be written to: broadcast ones get memory of their own."""
    return value.copy() if isinstance(value, np.ndarray) and 0 in value.strides else value


@by_name
def test_wrong_inputs(case, device):
    for wrong in case.wrong(draw_for(case, "float32")):
        with pytest.raises(wrong.exception, match=wrong.match):
            run_to_its_end(case, wrong, device)


@by_name
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads(case, dtype, device):
    if dtype not in case.dtypes:
        pytest.skip("not defined for this dtype")
    before = nc.get_num_threads()
    samples = list(case.samples(draw_for(case, dtype)))
    if device == "cpu":
        samples += case.benchmark(draw_for(case, dtype))
    samples = [s for s in samples if all(a.size <= 1 << 18 for a in s.args if isinstance(a, np.ndarray))]
    try:
        for sample in samples:
            bits = []
            for threads in (1, 2, 3):
                nc.set_num_threads(threads)
                got = case.function(*to_tensors(sample.args, device=device), **to_tensors(sample.kwargs, device=device))
                bits.append([r.tobytes() for r in results(got)])
            assert bits[0] == bits[1] == bits[2], f"{case.name} {sample.label}"
    finally:
        nc.set_num_threads(before)
