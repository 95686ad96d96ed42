"""Random numbers: the stream itself, the distributions, dropout. With `--device cuda` those of the GPU."""

import copy
import pickle

import numpy as np
import pytest

import nncore as nc
from nncore.ops import dropout as D
from nncore.reference import random as ref

SEED = 0x0123456789ABCDEF
COUNTS = [1, 31, 32, 33, 64, 65, 1000, 70_001]
pytestmark = pytest.mark.usefixtures("isa")


def generator(device: str, calls: int = 0) -> nc.Generator:
    g = nc.Generator(device).manual_seed(SEED)
    for _ in range(calls):
        nc.rand(1, generator=g, device=device)
    return g


def numbers(x: nc.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()


def test_known_answers():
    """The vectors that the authors of Philox publish (Random123, kat_vectors)."""
    zeros = ref.philox([0], 0, 0)[:, 0]
    assert [f"{int(w):08x}" for w in zeros] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = ref.philox([2**64 - 1], 2**64 - 1, 2**64 - 1)[:, 0]
    assert [f"{int(w):08x}" for w in ones] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_is_the_reference(count, dtype, device):
    got = numbers(nc.rand(count, dtype=getattr(nc, dtype), generator=generator(device, 2), device=device))
    np.testing.assert_array_equal(got, ref.uniform(count, 2, SEED, np.dtype(dtype).type))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
def test_normal_is_the_reference(count, dtype, tolerance, device):
    got = numbers(nc.randn(count, dtype=getattr(nc, dtype), generator=generator(device, 1), device=device))
    np.testing.assert_allclose(got, ref.normal(count, 1, SEED, np.dtype(dtype).type), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-5, 1), (-(2**63), 2**63 - 1), (2**40, 2**40 + 3)])
def test_integers_are_the_reference(low, high, device):
    got = numbers(nc.randint(low, high, (1000,), generator=generator(device), device=device))
    np.testing.assert_array_equal(got, ref.integers(1000, 0, SEED, low, high))
    assert got.min() >= low
    assert got.max() < high


@pytest.mark.parametrize("p", [0.1, 0.5, 0.999])
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_is_the_reference(p, count, dtype, device):
    nc.manual_seed(SEED)
    x = nc.randn(count, dtype=getattr(nc, dtype), device=device).requires_grad_()
    y = D.dropout(x, p)
    mask = ref.dropout_mask(count, 1, SEED, p)
    factor = np.where(mask, np.dtype(dtype).type(1 / (1 - p)), np.dtype(dtype).type(0))
    np.testing.assert_array_equal(numbers(y), numbers(x) * factor)
    y.backward(nc.ones_like(y))
    np.testing.assert_array_equal(numbers(x.grad), factor)


def test_parts_of_larger_memory(device):
    """Elements that do not begin where a vector does."""
    g, h = generator(device), generator("cpu")
    x, y = nc.zeros(200, device=device), nc.zeros(200)
    x[3:190].uniform_(generator=g)
    y[3:190].uniform_(generator=h)
    np.testing.assert_array_equal(numbers(x), numbers(y))
    nc.manual_seed(1)
    dropped = D.dropout(x[1:], 0.5)
    np.testing.assert_array_equal(numbers(dropped), numbers(x)[1:] * (numbers(dropped) != 0) * 2)
    assert (numbers(dropped) == 0).sum() > 50


def test_threads_do_not_matter(device):
    if device != "cpu":
        pytest.skip("threads are the CPU's")
    before = nc.get_num_threads()
    try:
        drawn = []
        for threads in (1, 2, 3):
            nc.set_num_threads(threads)
            nc.manual_seed(3)
            drawn.append([nc.rand(50_000), nc.randn(50_000), nc.randperm(5000), D.dropout(nc.ones(50_000), 0.3)])
        for others in drawn[1:]:
            assert all(nc.equal(a, b) for a, b in zip(drawn[0], others, strict=True))
    finally:
        nc.set_num_threads(before)


def test_generator_states(device):
    g = generator(device)
    state = g.get_state()
    a, b = nc.rand(5, generator=g, device=device), nc.rand(5, generator=g, device=device)
    assert not nc.equal(a, b)
    g.set_state(state)
    assert nc.equal(nc.rand(5, generator=g, device=device), a)
    for twin in (copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert nc.equal(nc.rand(5, generator=twin, device=device), b)
    assert g.initial_seed() == SEED
    assert nc.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    assert g.seed() == g.initial_seed()
    with pytest.raises(RuntimeError, match="at most 64 bits"):
        g.manual_seed(2**64)
    nc.manual_seed(1)
    state = nc.get_rng_state()
    a = nc.rand(3)
    nc.set_rng_state(state)
    assert nc.equal(nc.rand(3), a)
    assert nc.initial_seed() == 1


def test_moments(device):
    g = generator(device)
    u, z = (numbers(f(200_000, generator=g, device=device)) for f in (nc.rand, nc.randn))
    assert abs(u.mean() - 0.5) < 0.003
    assert abs(u.var() - 1 / 12) < 0.001
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.1
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 0.01
    e = numbers(nc.empty(200_000, device=device).exponential_(2.0, generator=g))
    assert abs(e.mean() - 0.5) < 0.01
    counts = np.bincount(numbers(nc.randint(7, (70_000,), generator=g, device=device)), minlength=7)
    assert np.abs(counts - 10_000).max() < 500


def test_in_place(device):
    g = generator(device)
    x = nc.zeros(3, 4, device=device)
    assert x.t().uniform_(2, 3, generator=g) is not None
    assert ((x >= 2) & (x < 3)).all()
    assert x.normal_(5, 0.1, generator=g) is x
    assert abs(x.mean().item() - 5) < 0.3
    assert set(numbers(x.bernoulli_(0.5, generator=g)).ravel()) <= {0.0, 1.0}
    assert set(nc.zeros(50, dtype=nc.int32, device=device).random_(3, 5, generator=g).tolist()) == {3, 4}
    assert numbers(nc.zeros(50, dtype=nc.uint8, device=device).random_(generator=g)).max() > 100
    version = x._version
    x.uniform_()
    assert x._version > version
    with pytest.raises(RuntimeError, match=r"uniform_ expects to return a \[from, to\) range"):
        x.uniform_(1, 0)
    with pytest.raises(NotImplementedError, match="normal_"):
        nc.zeros(3, dtype=nc.int64, device=device).normal_()
    with pytest.raises(RuntimeError, match="leaf Variable"):
        nc.zeros(3, requires_grad=True, device=device).uniform_()


def test_permutations_and_choices(device):
    g = generator(device)
    drawn = nc.randperm(1000, generator=g, device=device)
    assert nc.equal(drawn.cpu(), nc.randperm(1000, generator=generator("cpu")))
    assert sorted(drawn.tolist()) == list(range(1000))
    assert nc.randperm(0, device=device).shape == (0,)
    weights = nc.tensor([[0.0, 3.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]], device=device)
    for replacement, n in [(True, 20_000), (False, 2)]:
        drawn = numbers(nc.multinomial(weights, n, replacement, generator=g))
        assert set(drawn[0]) == {1, 2}
        assert set(drawn[1]) == {0, 3}
        if replacement:
            assert abs((drawn[0] == 1).mean() - 0.75) < 0.02
    firsts = [nc.multinomial(weights[0], 2, generator=g)[0].item() for _ in range(400)]
    assert abs(np.mean(np.array(firsts) == 1) - 0.75) < 0.1
    with pytest.raises(RuntimeError, match="not enough non-zero weights"):
        nc.multinomial(weights, 3).cpu()
    with pytest.raises(RuntimeError, match="cannot sample"):
        nc.multinomial(weights, 5)
    with pytest.raises(RuntimeError, match="`inf`, `nan` or element < 0"):
        nc.multinomial(nc.tensor([1.0, -1.0], device=device), 1).cpu()
    probabilities = nc.tensor([0.0, 1.0, 0.25], device=device).expand(10_000, 3)
    assert np.abs(numbers(nc.bernoulli(probabilities, generator=g)).mean(0) - [0, 1, 0.25]).max() < 0.02


def places_of(weights, u):
    """Where the sums of each row's weights pass the part u of the whole."""
    sums = weights.cumsum(-1)
    return np.array([np.searchsorted(s, v * s[-1], side="right") for s, v in zip(sums, u, strict=True)])


@pytest.mark.parametrize("zeros", [0.0, 0.9])
@pytest.mark.parametrize(("rows", "count"), [(1, 1), (3, 7), (2, 1000), (1, 20_011)])
def test_draws_are_those_of_the_sums(rows, count, zeros, device):
    """Small integers, whose sums are exact: the places are those of NumPy, and never one of weight 0."""
    rng = np.random.default_rng(count)
    weights = rng.integers(1, 9, (rows, count)) * (rng.random((rows, count)) >= zeros).astype(np.float32)
    weights[:, rng.integers(count)] = 1
    given = nc.tensor(weights.astype(np.float32), device=device)
    u = numbers(nc.rand(rows, 500, dtype=nc.float64, generator=generator(device), device=device))
    drawn = numbers(nc.multinomial(given, 500, True, generator=generator(device)))
    np.testing.assert_array_equal(drawn, places_of(weights.astype(np.float64), u))
    assert (np.take_along_axis(weights, drawn, 1) > 0).all()
    one = numbers(nc.multinomial(given[0], 500, True, generator=generator(device)))
    np.testing.assert_array_equal(one, places_of(weights[:1].astype(np.float64), u[:1])[0])
    assert nc.multinomial(given[:0], 3, True).shape == (0, 3)


@pytest.mark.parametrize("function", [D.dropout, D.dropout1d, D.dropout2d, D.dropout3d, D.alpha_dropout])
def test_dropout_edges(function, device):
    shape = {"dropout1d": (4, 3, 5), "dropout3d": (2, 3, 4, 5, 6)}.get(function.__name__, (2, 3, 4, 5))
    x = nc.randn(shape, requires_grad=True, device=device)
    assert function(x, 0.3, training=False) is x
    assert function(x, 0.0, training=True) is x
    assert (function(x, 1.0, training=True) == 0).all()
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
            function(x, p, training=True)
    nc.manual_seed(0)
    y = function(x, 0.5, training=True)
    nc.manual_seed(0)
    z = x.detach().clone()
    assert function(z, 0.5, training=True, inplace=True) is z
    assert nc.equal(y.detach(), z)
    y.sum().backward()
    if function is not D.alpha_dropout:  # the gradient is the factor of each element
        np.testing.assert_allclose(numbers(x.grad), numbers(y) / numbers(x), rtol=1e-5)


def test_whole_channels(device):
    kept = numbers(D.dropout2d(nc.ones(200, 10, 3, 4, device=device), 0.5))
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert (kept == kept[:, :, :1, :1]).all()
    assert abs(kept.mean() - 1) < 0.1
    unbatched = numbers(D.dropout1d(nc.ones(50, 7, device=device), 0.5))
    assert (unbatched == unbatched[:, :1]).all()


def test_alpha_dropout_keeps_mean_and_variance(device):
    y = numbers(D.alpha_dropout(nc.randn(100_000, device=device), 0.3, training=True))
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02


def test_dropout_has_second_derivatives(device):
    x = nc.randn(10, dtype=nc.float64, requires_grad=True, device=device)

    def function(x):
        nc.manual_seed(5)
        return D.dropout(x, 0.4) ** 2

    assert nc.testing.gradcheck(function, x)
    assert nc.testing.gradgradcheck(function, x)
