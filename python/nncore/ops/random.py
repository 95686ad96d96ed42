"""Random numbers: the generator, what is drawn from it, and the tensors filled with it.

The numbers are those of Philox4x32-10, made from (seed, number of the call, number of the element): the same on every
device and for any number of threads. csrc/math/philox.h says which bits belong to which element, and
nncore.reference.random does the same in NumPy.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from nncore import _core
from nncore.autograd import no_grad
from nncore.ops.creation import empty, get_default_dtype
from nncore.ops.inplace import check_writable
from nncore.ops.require import require
from nncore.tensor import Tensor, tensor_method

if TYPE_CHECKING:
    from nncore.ops.creation import Device

_INT64_MAX = 2**63 - 1


class Generator:
    """A stream of random numbers: a seed, and how many calls were made since it was set.

    >>> g = nc.Generator().manual_seed(7)
    >>> a = nc.rand(2, generator=g)
    >>> bool((nc.rand(2, generator=g.manual_seed(7)) == a).all())
    True
    """

    __slots__ = ("_lock", "_state", "device")

    def __init__(self, device: Device = "cpu"):
        self.device = _core.device(device)
        self._state = Tensor(_core.full((2,), 0, _core.dtype.int64, self.device))
        self._lock = threading.Lock()
        self.manual_seed(67280421310721)  # PyTorch's default

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of this seed, an integer of at most 64 bits, and returns the generator."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"manual_seed: expected a seed of at most 64 bits, got {seed}")
        seed %= 2**64
        self._write(seed - 2**64 if seed > _INT64_MAX else seed, 0)
        return self

    def seed(self) -> int:
        """Sets a seed that nobody can foresee, and returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that was set last."""
        return int(self._state.tolist()[0]) % 2**64

    def get_state(self) -> Tensor:
        """(seed, calls so far) as an int64 tensor."""
        return self._state.clone()

    def set_state(self, state: Tensor) -> None:
        """Goes back to where `get_state` was called."""
        if state.dtype is not _core.dtype.int64 or tuple(state.shape) != (2,):
            raise TypeError(f"set_state: expected what get_state returned, got {state.dtype} of {list(state.shape)}")
        self._write(*state.tolist())

    def _write(self, seed: int, calls: int) -> None:
        values = np.array([seed, calls], np.int64)
        with self._lock:
            _core.copy(self._state._array, _core.from_buffer(values))

    def __deepcopy__(self, memo) -> Generator:
        copy = Generator(self.device)
        copy.set_state(self._state)
        return copy

    def __reduce__(self):
        return (_restored, (str(self.device), self.initial_seed(), self._state.tolist()[1]))

    def __repr__(self) -> str:
        return f"<nncore.Generator on {self.device}>"


def _restored(device: str, seed: int, calls: int) -> Generator:
    generator = Generator(device).manual_seed(seed)
    generator._write(generator._state.tolist()[0], calls)
    return generator


default_generator = Generator()
_of_device = {default_generator.device: default_generator}  # a GPU's is made when it is first asked for


def generator_of(device: _core.device) -> Generator:
    """The default generator of a device; a GPU's starts with the seed that the CPU's was given last."""
    if device not in _of_device:
        _of_device[device] = Generator(device).manual_seed(default_generator.initial_seed())
    return _of_device[device]


def manual_seed(seed: int) -> Generator:
    """Seeds the default generators of all devices and returns the CPU's.

    >>> _ = nc.manual_seed(0)
    """
    for generator in _of_device.values():
        generator.manual_seed(seed)
    return default_generator


def seed() -> int:
    """Seeds the default generators with a number that nobody can foresee, and returns it."""
    return manual_seed(int.from_bytes(os.urandom(8), "little")).initial_seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator back into a state that `get_rng_state` told."""
    default_generator.set_state(new_state)


def draw(native, generator: Generator | None, *args):
    """native(*args with the generator's state): one call of the stream."""
    if generator is None:
        device = args[0].device
        generator = default_generator if device.type == "cpu" else generator_of(device)
    if not isinstance(generator, Generator):
        raise TypeError(f"expected a Generator as generator, got {type(generator).__name__}")
    with generator._lock:
        return native(*[generator._state._array if a is Generator else a for a in args])


# ---- new tensors ----


def _floating(name: str, dtype) -> _core.dtype:
    dtype = dtype or get_default_dtype()
    if not dtype.is_floating_point:
        raise NotImplementedError(f'"{name}" not implemented for {dtype}')
    return dtype


def _finish(y: Tensor, requires_grad: bool) -> Tensor:
    return y.requires_grad_() if requires_grad else y


_DIGITS = {_core.dtype.float16: 11, _core.dtype.bfloat16: 8}  # significant bits of those that rounding would bring to 1


def _uniform(y: Tensor, generator: Generator | None, low: float, high: float) -> None:
    """Fills y with numbers from [low, high): as many equally spaced ones as the dtype tells apart below 1."""
    if y.dtype not in _DIGITS:
        draw(_core.uniform_into, generator, y._array, Generator, low, high)
        return
    u = empty(tuple(y.shape), dtype=_core.dtype.float32, device=y.device)
    draw(_core.uniform_into, generator, u._array, Generator, 0.0, 1.0)
    steps = 2.0 ** _DIGITS[y.dtype]
    _core.copy(y._array, ((u * steps).floor() * ((high - low) / steps) + low)._array)


def rand(
    *size, generator: Generator | None = None, dtype=None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Uniformly distributed in [0, 1).

    >>> nc.rand(2, 3).shape
    nncore.Size([2, 3])
    """
    y = empty(*size, dtype=_floating("rand", dtype), device=device)
    _uniform(y, generator, 0.0, 1.0)
    return _finish(y, requires_grad)


def randn(
    *size, generator: Generator | None = None, dtype=None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Normally distributed with mean 0 and standard deviation 1.

    >>> nc.randn(2, 3).shape
    nncore.Size([2, 3])
    """
    y = empty(*size, dtype=_floating("randn", dtype), device=device)
    draw(_core.normal_into, generator, y._array, Generator, 0.0, 1.0)
    return _finish(y, requires_grad)


def randint(
    low: int,
    high=None,
    size=None,
    *,
    generator: Generator | None = None,
    dtype=None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low to high - 1, all equally likely: randint(high, size) or randint(low, high, size).

    >>> bool((nc.randint(3, 5, (10,)) >= 3).all())
    True
    """
    if size is None:
        low, high, size = 0, low, high
    y = empty(tuple(size), dtype=dtype or _core.dtype.int64, device=device)
    return _finish(_random_between(y, "randint", int(low), int(high), generator), requires_grad)


def _random_between(y: Tensor, name: str, low: int, high: int, generator: Generator | None) -> Tensor:
    if low >= high:
        raise RuntimeError(f"{name}: expected low < high, got low={low} and high={high}")
    draw(_core.integers_into, generator, y._array, Generator, low, (high - low) % 2**64)
    return y


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype=None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers below n in random order: the order of n random keys of 64 bits.

    >>> nc.randperm(4).sort().values
    tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    keys = empty(n, dtype=_core.dtype.int64, device=device)
    _random_between(keys, "randperm", -(2**63), 2**63, generator)
    return _finish(keys.argsort().to(dtype or _core.dtype.int64), requires_grad)


def _like(maker):
    def function(input: Tensor, *, generator: Generator | None = None, **options) -> Tensor:
        options = {"dtype": input.dtype, "device": input.device, **options}
        return maker(tuple(input.shape), generator=generator, **options)

    function.__name__ = function.__qualname__ = maker.__name__ + "_like"
    function.__doc__ = f"As `{maker.__name__}`, with the shape, dtype and device of input."
    return function


rand_like, randn_like = _like(rand), _like(randn)


def randint_like(input: Tensor, low: int, high: int | None = None, **options) -> Tensor:
    """As `randint`, with the shape, dtype and device of input."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), **{"dtype": input.dtype, "device": input.device, **options})


def normal(mean, std=1.0, size=None, *, generator: Generator | None = None, dtype=None, device=None) -> Tensor:
    """Normally distributed around mean with deviation std, numbers or tensors; `size` where both are numbers.

    >>> nc.normal(nc.zeros(3), 1.0).shape
    nncore.Size([3])
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    if isinstance(std, Tensor):
        require(~(std < 0), RuntimeError, "normal expects all elements of std >= 0.0")
    elif std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not tensors:
        if size is None:
            raise TypeError("normal: expected a size where mean and std are numbers")
        return randn(tuple(size), generator=generator, dtype=dtype, device=device) * std + mean
    shape = (tensors[0] if len(tensors) == 1 else tensors[0].detach() + tensors[1].detach()).shape
    z = randn(tuple(shape), generator=generator, dtype=tensors[0].dtype, device=tensors[0].device)
    with no_grad():
        return z * std + mean


@tensor_method
def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that input tells for each element, else 0, in the dtype of input.

    >>> nc.bernoulli(nc.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = input.detach()
    expected = "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got false."
    require((p >= 0) & (p <= 1), RuntimeError, expected)
    return (rand(tuple(p.shape), generator=generator, dtype=p.dtype, device=p.device) < p).to(p.dtype)


@tensor_method
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """num_samples places, drawn with probabilities in proportion to the weights in each row of input, [n] or [rows, n].

    Without replacement the largest of w / e win, e exponentially distributed (Efraimidis and Spirakis, 2006).

    >>> nc.multinomial(nc.tensor([0.0, 1.0, 0.0]), 1)
    tensor([1])
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got {list(input.shape)}")
    if not input.is_floating_point():
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype}")
    n = input.shape[-1]
    if num_samples <= 0 or (num_samples > n and not replacement):
        raise RuntimeError(
            f"multinomial: cannot sample n_sample <= 0 or > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} of {n}"
        )
    weights = input.detach().to(_core.dtype.float64)
    finite = weights.isfinite() & (weights >= 0)
    require(finite, RuntimeError, "probability tensor contains either `inf`, `nan` or element < 0")
    require(weights.sum(-1) > 0, RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)")
    if replacement:
        return _with_replacement(weights.reshape(-1, n), num_samples, generator).reshape(*input.shape[:-1], num_samples)
    require(
        (weights > 0).sum(-1) >= num_samples,
        RuntimeError,
        "invalid multinomial distribution (with replacement=False, not enough non-zero weights)",
    )
    e = empty(tuple(input.shape), dtype=_core.dtype.float64, device=input.device).exponential_(generator=generator)
    return (weights / e).topk(num_samples, -1).indices


def _with_replacement(weights: Tensor, num_samples: int, generator: Generator | None) -> Tensor:
    """The places [rows, num_samples] at which the sums of each row's weights pass uniform parts of the whole."""
    weights, shape = weights.contiguous(), (weights.shape[0], num_samples)
    u = rand(shape, generator=generator, dtype=_core.dtype.float64, device=weights.device)
    return Tensor(_core.draw(weights._array, weights.cumsum(1)._array, u._array))


# ---- tensors filled in place ----


def _filled(name: str, x: Tensor, floating: bool = True) -> None:
    if floating and not x.is_floating_point():
        raise NotImplementedError(f'"{name}" not implemented for {x.dtype}')
    check_writable(name, x, False)


@tensor_method
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **named
) -> Tensor:
    """Fills the tensor with numbers uniformly distributed in [from, to)."""
    low = named.pop("from", from_)
    if low > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={to}")
    _filled("uniform_", self)
    _uniform(self, generator, float(low), float(to))
    return self


@tensor_method
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with normally distributed numbers."""
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    _filled("normal_", self)
    draw(_core.normal_into, generator, self._array, Generator, float(mean), float(std))
    return self


@tensor_method
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with -log(1 - u) / lambd, u uniformly distributed in [0, 1)."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    _filled("exponential_", self)
    with no_grad():
        u = rand(tuple(self.shape), generator=generator, dtype=self.dtype, device=self.device)
        _core.copy(self._array, ((-u).log1p() / -lambd)._array)
    return self


@tensor_method
def bernoulli_(self: Tensor, p: float | Tensor = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with 1 with probability p, else 0."""
    _filled("bernoulli_", self, floating=False)
    if isinstance(p, Tensor):
        drawn = bernoulli(p.expand(self.shape), generator=generator)
    else:
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        drawn = rand(tuple(self.shape), generator=generator, dtype=_core.dtype.float64, device=self.device) < p
    _core.copy(self._array, drawn._array)
    return self


_BITS = {**_DIGITS, _core.dtype.float32: 24, _core.dtype.float64: 53, _core.dtype.uint8: 8, _core.dtype.bool: 1}


@tensor_method
def random_(
    self: Tensor, from_: int | None = None, to: int | None = None, *, generator: Generator | None = None, **named
):
    """Fills the tensor with integers in [from, to); random_(to) starts at 0, random_() ends where the dtype does."""
    low = named.pop("from", from_)
    if low is not None and to is None and not named:
        low, to = 0, low
    if to is None:
        bits = _BITS.get(self.dtype, 31 if self.dtype is _core.dtype.int32 else 63)
        low, to = 0 if low is None else low, 2**bits + (1 if self.is_floating_point() else 0)
    _filled("random_", self, floating=False)
    return _random_between(self, "random_", int(low), int(to), generator)
