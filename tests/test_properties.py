"""Properties over random shapes, layouts, axes and geometries: nncore against its NumPy references."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nncore as nc
from nncore import reference as ref

settings.register_profile("nncore", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nncore")

extents = st.integers(0, 5)
seeds = st.integers(0, 2**16)
dtypes = st.sampled_from(["float32", "float64"])


def tolerance(dtype):
    return {"rtol": 3e-5, "atol": 3e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}


@st.composite
def arrays(draw, shape, dtype):
    """An array of that shape in a random layout: permuted in memory, with steps, reversed."""
    random = np.random.default_rng(draw(seeds))
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 2, -1])) for _ in shape]
    memory = np.asarray(random.standard_normal([shape[d] * abs(steps[d]) for d in order]), dtype)
    x = memory.transpose(np.argsort(order)) if shape else memory
    return np.asarray(x[tuple(slice(None, None, s) for s in steps)])


@st.composite
def broadcastable(draw, dtype):
    shape = tuple(draw(st.lists(extents, max_size=4)))
    other = tuple(1 if draw(st.booleans()) else n for n in shape[draw(st.integers(0, len(shape))) :])
    first, second = (shape, other) if draw(st.booleans()) else (other, shape)
    return draw(arrays(first, dtype)), draw(arrays(second, dtype))


@given(st.data(), dtypes)
def test_elementwise_broadcasts_any_layout(data, dtype):
    a, b = data.draw(broadcastable(dtype))
    x, y = nc.from_numpy(a), nc.from_numpy(b)
    np.testing.assert_array_equal((x + y).numpy(), a + b)
    np.testing.assert_array_equal((x * y).numpy(), a * b)
    np.testing.assert_array_equal(nc.maximum(x, y).numpy(), np.maximum(a, b))
    np.testing.assert_array_equal((x < y).numpy(), a < b)
    np.testing.assert_allclose(nc.tanh(x).numpy(), np.tanh(a), **tolerance(dtype))


@given(st.data(), dtypes)
def test_reductions_over_any_axes(data, dtype):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    a = data.draw(arrays(shape, dtype))
    axes = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)))
    given_axes = tuple(d - len(shape) if data.draw(st.booleans()) else d for d in axes)
    keep = data.draw(st.booleans())
    x = nc.from_numpy(a)
    np.testing.assert_allclose(x.sum(given_axes, keepdim=keep).numpy(), a.sum(axes, keepdims=keep), **tolerance(dtype))
    np.testing.assert_array_equal(nc.amax(x, given_axes, keepdim=keep).numpy(), a.max(axes, keepdims=keep))
    np.testing.assert_array_equal(x.argmax(given_axes[0], keepdim=keep).numpy(), a.argmax(axes[0], keepdims=keep))


@given(st.data(), dtypes)
def test_views_are_numpys(data, dtype):
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    a = data.draw(arrays(shape, dtype))
    index = tuple(
        data.draw(
            st.one_of(
                st.integers(-n, n - 1),
                st.slices(n).filter(lambda s: s.step is None or s.step > 0),
                st.just(slice(None)),
            )
        )
        for n in shape[: data.draw(st.integers(0, len(shape)))]
    )
    x = nc.from_numpy(a)
    np.testing.assert_array_equal(x[index].numpy(), a[index])
    order = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(x.permute(order).numpy(), a.transpose(order))
    np.testing.assert_array_equal(x.permute(order).reshape(-1).numpy(), a.transpose(order).reshape(-1))


@given(st.data(), dtypes)
def test_products_of_any_layout(data, dtype):
    m, n, k = (data.draw(st.integers(0, 40)) for _ in range(3))
    a, b = data.draw(arrays((m, k), dtype)), data.draw(arrays((k, n), dtype))
    got = (nc.from_numpy(a) @ nc.from_numpy(b)).numpy()
    expected = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(got, expected, **tolerance(dtype))


@st.composite
def convolutions(draw, dtype):
    rank = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    c, k = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    options = {
        "stride": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(rank)),
        "dilation": tuple(draw(st.integers(1, 2)) for _ in range(rank)),
        "groups": groups,
    }
    spans = [d * (r - 1) + 1 - 2 * p for r, d, p in zip(kernel, options["dilation"], options["padding"], strict=True)]
    image = [draw(st.integers(max(1, span), max(1, span) + 5)) for span in spans]
    random = np.random.default_rng(draw(seeds))
    x = random.standard_normal((draw(st.integers(0, 2)), c, *image)).astype(dtype)
    w = random.standard_normal((k, c // groups, *kernel)).astype(dtype)
    return rank, x, w, options


@given(st.data(), dtypes)
def test_convolutions_of_any_geometry(data, dtype):
    rank, x, w, options = data.draw(convolutions(dtype))
    name = f"conv{rank}d"
    got = getattr(nc.nn.functional, name)(nc.from_numpy(x), nc.from_numpy(w), **options).numpy()
    np.testing.assert_allclose(got, getattr(ref.conv, name)(x, w, **options), **tolerance(dtype))
    inputs = [nc.tensor(a, requires_grad=True) for a in (x, w)]
    gy = np.random.default_rng(data.draw(seeds)).standard_normal(got.shape).astype(dtype)
    gx, gw = nc.autograd.grad(getattr(nc.nn.functional, name)(*inputs, **options), inputs, nc.from_numpy(gy))
    padding = options["padding"]
    windows = (options["stride"], padding, padding, options["dilation"], options["groups"])
    np.testing.assert_allclose(gx.numpy(), ref.conv.conv_backward_input(gy, w, x.shape, windows), **tolerance(dtype))
    np.testing.assert_allclose(gw.numpy(), ref.conv.conv_backward_weight(gy, x, w.shape, windows), **tolerance(dtype))


@given(st.data(), dtypes)
def test_pooling_of_any_geometry(data, dtype):
    kernel = tuple(data.draw(st.integers(1, 4)) for _ in range(2))
    options = {
        "stride": tuple(data.draw(st.integers(1, 3)) for _ in range(2)),
        "padding": tuple(data.draw(st.integers(0, r // 2)) for r in kernel),
        "ceil_mode": data.draw(st.booleans()),
    }
    image = tuple(data.draw(st.integers(r, r + 6)) for r in kernel)
    x = np.random.default_rng(data.draw(seeds)).standard_normal((2, 2, *image)).astype(dtype)
    for name in ("max_pool2d", "avg_pool2d"):
        got = getattr(nc.nn.functional, name)(nc.from_numpy(x), kernel, **options).numpy()
        np.testing.assert_allclose(got, getattr(ref.pool, name)(x, kernel, **options), **tolerance(dtype))
