"""The GPU, under the names of torch.cuda: so that a program can ask for one and go on without."""

from nncore import _core


def is_available() -> bool:
    """Whether tensors can be made on a GPU: this build, the driver and the machine all have what it takes.

    >>> device = "cuda" if nc.cuda.is_available() else "cpu"
    >>> nc.zeros(2, device=device).shape
    nncore.Size([2])
    """
    try:
        _core.full((0,), 0, _core.dtype.float32, _core.device("cuda"))
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """How many GPUs there are for `nncore.device("cuda", index)`: 0 where none can be used."""
    count = 0
    while True:
        try:
            _core.full((0,), 0, _core.dtype.float32, _core.device(f"cuda:{count}"))
        except RuntimeError:
            return count
        count += 1
