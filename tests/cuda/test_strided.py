"""Copies, casts, fills and choices on CUDA beside the same on the CPU, bit for bit: rows of every alignment,
transpositions, repeated elements, packs with tails."""

import numpy as np
import pytest

import nncore as nc

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

DTYPES = [nc.float32, nc.float64, nc.int32, nc.int64, nc.uint8, nc.bool, nc.float16, nc.bfloat16]


def bits(x):
    """What a tensor holds, with the signs of zeros; a NaN is some NaN."""
    x = x.cpu()
    x = (x.float() if x.dtype in (nc.float16, nc.bfloat16) else x).contiguous().numpy()
    if x.dtype.kind != "f":
        return x
    return np.where(np.isnan(x), np.nan, x).view(f"u{x.itemsize}")


def same(there, here):
    assert there.device.type == "cuda"
    assert there.dtype is here.dtype
    np.testing.assert_array_equal(bits(there), bits(here))


def pair(shape, dtype, seed=0):
    """The same tensor on both devices: whole numbers of both signs, and for floating types -0, infinities and NaN."""
    x = np.random.default_rng(seed).integers(-9, 90, shape).astype(np.float64)
    if dtype.is_floating_point:
        x.flat[::7], x.flat[3::11], x.flat[5::13], x.flat[1::17] = -0.0, np.inf, np.nan, 0.25
    here = nc.tensor(x).to(dtype)
    return here.cuda(), here


VIEWS = {
    "columns": lambda x: x[:, 4:24],
    "columns from 1": lambda x: x[:, 1:30],
    "columns of 2": lambda x: x[:, 2:40],
    "every second": lambda x: x[:, ::2],
    "every second row": lambda x: x[::2],
    "one column": lambda x: x[:, 3],
    "one of each row of three": lambda x: x.reshape(-1, 3)[:, :2],
    "transposed": lambda x: x.t(),
    "transposed slice": lambda x: x[3:40, 5:38].t(),
    "repeated rows": lambda x: x[:1].expand(9, -1),
    "repeated columns": lambda x: x[:, :1].expand(-1, 41),
    "repeated, transposed": lambda x: x[:, None].expand(-1, 5, -1).permute(2, 1, 0),
    "channels last": lambda x: x.reshape(2, 30, 6, 10).permute(0, 2, 3, 1),
    "channels first": lambda x: x.reshape(2, 6, 10, 30).permute(0, 3, 1, 2),
    "heads": lambda x: x.reshape(2, 5, 3, 120).permute(0, 2, 1, 3),
    "turned around": lambda x: x.reshape(18, 10, 20).permute(2, 1, 0),
    "first dimension last": lambda x: x.reshape(18, 10, 20).permute(1, 2, 0),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_copies(view, dtype):
    there, here = pair((60, 60), dtype)
    part = VIEWS[view]
    same(part(there).clone(), part(here))
    if "repeated" in view:
        return
    other_there, other_here = pair((60, 60), dtype, seed=1)  # into the view
    source_there, source_here = pair(part(here).shape, dtype, seed=2)
    part(other_there).copy_(source_there)
    part(other_here).copy_(source_here)
    same(other_there, other_here)
    part(other_there).fill_(3)
    part(other_here).fill_(3)
    same(other_there, other_here)


@pytest.mark.parametrize("to", DTYPES, ids=str)
@pytest.mark.parametrize("of", DTYPES, ids=str)
def test_casts(of, to):
    there, here = pair((31, 33), of)
    for view in (lambda x: x, lambda x: x[:, 1:], lambda x: x.t(), lambda x: x.reshape(-1)[1:], lambda x: x[:, ::2]):
        same(view(there).to(to), view(here).to(to))
    target_there, target_here = pair((33, 31), to, seed=1)
    target_there.t().copy_(there)
    target_here.t().copy_(here)
    same(target_there, target_here)


@pytest.mark.parametrize("half", [nc.float16, nc.bfloat16], ids=str)
@pytest.mark.parametrize("count", [1, 3, 4, 5, 1023, 4 * 256 * 3 + 2])
def test_casts_by_packs(half, count):
    random = np.random.default_rng(count)
    values = (random.standard_normal(count + 1) * 10.0 ** random.integers(-9, 6, count + 1)).astype(np.float32)
    values[: len(values) // 3] = random.choice(np.float32([0, -0.0, np.inf, -np.inf, np.nan, 65520, 6e-8, 3e-8]))
    here = nc.tensor(values)
    there = here.cuda()
    for part in (slice(0, count), slice(1, None)):
        same(there[part].to(half), here[part].to(half))
        same(there.to(half)[part].float(), here.to(half)[part].float())


@pytest.mark.parametrize("dtype", [nc.uint8, nc.bool], ids=str)
@pytest.mark.parametrize("count", [1, 4, 1023, 4 * 256 * 3 + 2])
def test_bytes_become_floats(dtype, count):
    here = nc.tensor(np.random.default_rng(count).integers(0, 256, count + 1)).to(dtype)
    for part in (slice(0, count), slice(1, None)):
        same(here.cuda()[part].float(), here[part].float())


def test_every_float16_becomes_the_same_float32():
    here = nc.arange(0, 2048, dtype=nc.float32)
    for scale in (2.0**-24, 2.0**-14, 1.0, 31.0):
        values = (here * scale).to(nc.float16)
        same(values.cuda().float(), values.float())
        same((-values).cuda().float(), (-values).float())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("begin", [0, 1, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 7, 16, 33, 5000])
def test_adjacent_fills(dtype, begin, count):
    values = [3, 0, 1] + ([-0.0, float("nan"), 0.1] if dtype.is_floating_point else [])
    for value in values:
        there, here = pair((begin + count + 21,), dtype)
        there[begin : begin + count].fill_(value)
        here[begin : begin + count].fill_(value)
        same(there, here)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [1, 5, 16, 100, 4099])
def test_choices(dtype, count):
    x, y = pair((count + 1,), dtype), pair((count + 1,), dtype, seed=1)
    condition = nc.tensor(np.random.default_rng(2).integers(0, 2, count + 1)) == 1
    condition = condition.cuda(), condition
    for part in (slice(0, count), slice(1, None)):
        a, b, c = ([v[part] for v in both] for both in (x, y, condition))
        for first, second in ((a, b), (a, [v[:1] for v in b]), ([v[:1] for v in a], b)):
            same(*(nc.where(c[i], first[i], second[i]) for i in (0, 1)))
        same(*(a[i].masked_fill(c[i], 1) for i in (0, 1)))
        for i in (0, 1):
            a[i].masked_fill_(c[i], 1)
        same(x[0], x[1])


@pytest.mark.parametrize("dtype", [nc.float32, nc.float16, nc.uint8, nc.int64], ids=str)
def test_choices_of_views(dtype):
    x, y = pair((2, 30, 22), dtype), pair((30, 44), dtype, seed=1)
    mask = nc.tensor(np.random.default_rng(2).integers(0, 2, (2, 30, 1))) == 1
    mask = mask.cuda(), mask
    same(*(nc.where(mask[i], x[i], y[i][:, ::2]) for i in (0, 1)))
    same(*(nc.where(mask[i][:, :, 0].t(), x[i][:, :, 0].t(), y[i][:, :2]) for i in (0, 1)))


@pytest.mark.parametrize("dtype", [nc.float32, nc.bfloat16, nc.bool], ids=str)
def test_pieces_of_a_whole(dtype):
    pieces = [pair((5, width, 6), dtype, seed=width) for width in (1, 4, 7, 16)]
    for dim, order in ((1, (0, 1, 2)), (2, (0, 2, 1)), (0, (1, 0, 2))):
        same(*(nc.cat([piece[i].permute(order) for piece in pieces], dim) for i in (0, 1)))


def test_many_rows_and_long_rows():
    for shape in ((100_003, 3), (3, 100_003)):
        there, here = pair(shape, nc.float32)
        same(there[:, 1:].clone(), here[:, 1:])
        same(there.t().clone(), here.t())
        same(there[:, 1:].to(nc.float64), here[:, 1:].to(nc.float64))


def test_empty():
    there, here = pair((4, 6), nc.float32)
    same(there[:, 2:2].clone(), here[:, 2:2])
    same(there[:0].t().to(nc.float16), here[:0].t().to(nc.float16))
    same(there[:0].fill_(1), here[:0])
    same(nc.where(there[:0] == 1, there[:0], 2.0), here[:0])
