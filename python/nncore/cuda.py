"""GPUs, under the names of torch.cuda: whether there are any, their streams, events, memory and random numbers.

Operations on a GPU are queued on the current stream of the thread and return at once; reading a result waits for it. An
index or label out of range shows at the next such wait. What a stream other than the current one uses must be ordered
by events or `wait_stream`, as in PyTorch.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from nncore import _core
from nncore.ops import random as _random
from nncore.ops.random import Generator
from nncore.tensor import Tensor

OutOfMemoryError = _core.OutOfMemoryError
Device = _core.device | str | int | None


def is_available() -> bool:
    """Whether tensors can be made on a GPU: this build, the driver and the machine all have what it takes.

    >>> device = "cuda" if nc.cuda.is_available() else "cpu"
    >>> nc.zeros(2, device=device).shape
    nncore.Size([2])
    """
    return not _core.cuda_unavailable()


def unavailable_reason() -> str:
    """What is missing where `is_available` says no: build, driver, its age, or a GPU. Empty where it says yes."""
    return _core.cuda_unavailable()


def device_count() -> int:
    """How many GPUs there are for `nncore.device("cuda", index)`: 0 where none can be used."""
    return _core.device_count()


def _index(device: Device = None) -> int:
    """The number of a device; of the current one where none is named."""
    if device is None:
        return current_device()
    if isinstance(device, int):
        return device
    device = _core.device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return device.index


def _device(device: Device = None) -> _core.device:
    return _core.device(f"cuda:{_index(device)}")


# ---- devices ----


class DeviceProperties(NamedTuple):
    """What `get_device_properties` tells; sizes are in bytes."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    max_threads_per_multi_processor: int
    warp_size: int
    shared_memory_per_block_optin: int
    L2_cache_size: int


def get_device_properties(device: Device = None) -> DeviceProperties:
    """Name, compute capability, memory and multiprocessors of a GPU."""
    return DeviceProperties(**_core.device_properties(_index(device)))


def get_device_name(device: Device = None) -> str:
    """The name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """The compute capability of a GPU: (major, minor)."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def current_device() -> int:
    """The number of the GPU that "cuda" names in this thread."""
    return _core.current_device()


def set_device(device: Device) -> None:
    """Makes a GPU the current one of this thread."""
    _core.set_current_device(_index(device))


class device:  # noqa: N801
    """A context in which another GPU is the current one: `with nncore.cuda.device(1): ...`."""

    def __init__(self, device: Device):
        self.index = _index(device)

    def __enter__(self) -> device:
        self._before = current_device()
        _core.set_current_device(self.index)
        return self

    def __exit__(self, *_) -> None:
        _core.set_current_device(self._before)


def synchronize(device: Device = None) -> None:
    """Waits until a GPU has done all that it was told, and raises what its kernels have found wrong."""
    _core.synchronize(_device(device))


# ---- streams and events ----


class Stream:
    """A queue of work on a GPU. Work in one stream runs in order; work in two runs as it comes."""

    def __init__(self, device: Device = None, priority: int = 0, *, _handle: int | None = None):
        self.device = _device(device)
        self._owned = _handle is None
        self.cuda_stream = _core.create_stream(self.device.index, priority) if _handle is None else _handle

    def __del__(self) -> None:
        if getattr(self, "_owned", False) and getattr(self, "cuda_stream", 0):
            with contextlib.suppress(Exception):  # the interpreter or the driver may be gone by now
                _core.destroy_stream(self.device.index, self.cuda_stream)

    def synchronize(self) -> None:
        """Waits until all work queued here is done."""
        _core.wait_for_stream(self.device.index, self.cuda_stream)

    def query(self) -> bool:
        """Whether all work queued here is done."""
        return _core.stream_done(self.device.index, self.cuda_stream)

    def wait_event(self, event: Event) -> None:
        """Work queued here from now on runs after the event."""
        _core.stream_wait(self.device.index, self.cuda_stream, event._made(self.device))

    def wait_stream(self, stream: Stream) -> None:
        """Work queued here from now on runs after what is queued there now."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """An event that happens when what is queued here now is done."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<nncore.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A point in a stream: to wait for, and with enable_timing to measure time between two."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False):
        self._timing = enable_timing
        self._handle: int | None = None
        self._place: _core.device | None = None

    def _made(self, device: _core.device) -> int:
        if self._handle is None:
            self._place = device
            self._handle = _core.create_event(device.index, self._timing)
        return self._handle

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            with contextlib.suppress(Exception):
                _core.destroy_event(self._place.index, self._handle)

    def record(self, stream: Stream | None = None) -> None:
        """Puts the event at the end of a stream, the current one where none is given."""
        stream = current_stream() if stream is None else stream
        _core.record_event(stream.device.index, self._made(stream.device), stream.cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Work queued on the stream from now on runs after the event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the event has happened; so has one that was never recorded."""
        return self._handle is None or _core.event_done(self._place.index, self._handle)

    def synchronize(self) -> None:
        """Waits until the event has happened."""
        if self._handle is not None:
            _core.wait_for_event(self._place.index, self._handle)

    def elapsed_time(self, end_event: Event) -> float:
        """The milliseconds from this event to another; both need enable_timing and must have happened."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._handle is None or end_event._handle is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return _core.elapsed_ms(self._place.index, self._handle, end_event._handle)


def current_stream(device: Device = None) -> Stream:
    """The stream on which this thread's operations on a GPU are queued."""
    index = _index(device)
    return Stream(index, _handle=_core.current_stream(index))


def default_stream(device: Device = None) -> Stream:
    """The stream that is current where none was chosen."""
    return Stream(device, _handle=0)


def set_stream(stream: Stream) -> None:
    """Makes a stream the current one of this thread on its GPU."""
    _core.set_current_stream(stream.device.index, stream.cuda_stream)


@contextlib.contextmanager
def stream(stream: Stream | None):
    """A context in which a stream and its GPU are current."""
    if stream is None:
        yield
        return
    before = current_stream(stream.device)
    with device(stream.device):
        set_stream(stream)
        try:
            yield
        finally:
            set_stream(before)


# ---- memory ----


def memory_stats(device: Device = None) -> dict[str, int]:
    """What `nncore.memory_stats` tells, for a GPU."""
    return _core.memory_stats(_device(device))


def memory_allocated(device: Device = None) -> int:
    """Bytes in use by tensors."""
    return memory_stats(device)["live_bytes"]


def max_memory_allocated(device: Device = None) -> int:
    """The most bytes that tensors have used at once since `reset_peak_memory_stats`."""
    return memory_stats(device)["peak_bytes"]


def memory_reserved(device: Device = None) -> int:
    """Bytes in use by tensors or kept for the next ones."""
    stats = memory_stats(device)
    return stats["live_bytes"] + stats["cached_bytes"]


def reset_peak_memory_stats(device: Device = None) -> None:
    """Starts `max_memory_allocated` anew."""
    _core.reset_peak_memory_stats(_device(device))


def empty_cache() -> None:
    """Gives memory that no tensor uses back to the GPUs."""
    for index in range(device_count()):
        _core.empty_cache(_device(index))


def record_stream(tensor: Tensor, stream: Stream) -> None:
    """The tensor's memory is not handed on before what is queued on the stream by then is done."""
    _core.record_use(tensor._array, stream.cuda_stream)


def _hand_over(array: _core.Array, consumer: int | None) -> None:
    """Orders a consumer's stream, named as DLPack does, after the work queued here, and keeps the memory for its use.

    None and 1 are the default stream, 2 is the default stream of a thread, -1 asks for no order.
    """
    if consumer == -1:
        return
    if consumer is not None and (not isinstance(consumer, int) or isinstance(consumer, bool)):
        raise TypeError(f"__dlpack__: expected stream to be an int or None, got {consumer!r}")
    if consumer is not None and consumer < -1:
        raise BufferError(f"__dlpack__: expected stream -1, 1, 2 or the handle of a stream, got {consumer}")
    if consumer == 0:
        raise BufferError("__dlpack__: stream 0 is ambiguous; 1 is the legacy default stream, 2 the per-thread one")
    handle, index = 0 if consumer in (None, 1) else consumer, array.device.index
    stream = current_stream(index)
    if handle != stream.cuda_stream:
        Stream(index, _handle=handle).wait_stream(stream)
        _core.record_use(array, handle)


# ---- random numbers ----


def manual_seed(seed: int) -> None:
    """Seeds the current GPU's generator; nothing happens where there is none."""
    if is_available():
        _random.generator_of(_device()).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs."""
    for index in range(device_count()):
        _random.generator_of(_device(index)).manual_seed(seed)


def initial_seed() -> int:
    """The seed of the current GPU's generator."""
    return _default_generator().initial_seed()


def get_rng_state(device: Device = None) -> Tensor:
    """The state of a GPU's generator."""
    return _default_generator(device).get_state()


def set_rng_state(new_state: Tensor, device: Device = None) -> None:
    """Puts a GPU's generator back into a state that `get_rng_state` told."""
    _default_generator(device).set_state(new_state)


def _default_generator(device: Device = None) -> Generator:
    return _random.generator_of(_device(device))
