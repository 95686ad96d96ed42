"""What a benchmark is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Run = Callable[[], object]


@dataclass
class Bench:
    """One thing that each library does in its own way: `make[library]()` makes its tensors, and returns a function that
    does the thing once."""

    group: str
    name: str
    make: dict[str, Callable[[], Run]]
    flops: float = 0.0  # floating operations of one run, where those are the limit
    bytes: float = 0.0  # bytes that one run must move at least, where memory is the limit
    device: str = "cpu"
    precision: str = "highest"  # of float32 products, as set_float32_matmul_precision takes it
    seconds: dict[str, float] = field(default_factory=dict)  # measured: the median time of one run
    in_cache: bool = False  # measured on a GPU: even many copies of the tensors fit into its L2
    trouble: str = ""  # why it could not be measured

    @property
    def ratio(self) -> float | None:
        """PyTorch's time over nncore's: above 1 where nncore is faster."""
        return self.seconds["torch"] / self.seconds["nncore"] if "torch" in self.seconds else None


def importer(library, device: str) -> Callable:
    """What makes a tensor of a library on a device of a NumPy array, with its layout."""
    if device == "cpu":
        return library.from_numpy
    plain = lambda a: library.from_numpy(a).to(device)  # noqa: E731
    return lambda a: plain(a) if a.flags.c_contiguous or a.ndim != 2 else plain(a.T).T


# What each group aims at on two threads: the geometric mean of its ratios, and the least ratio of any case.
TARGETS = {
    "gemm": (1.0, 0.8),
    "conv": (1.0, 0.7),
    "transposed": (1.0, 0.7),
    "pool": (2.0, 0.0),
    "xent": (2.0, 0.0),
    "norm": (1.0, 0.8),
    "interpolation": (1.0, 0.7),
    "attention": (1.0, 0.7),
    "ctc": (1.0, 0.0),
    "embedding": (1.0, 0.7),
    "activation": (1.0, 0.0),
    "rnn": (1.2, 0.0),
    "optim": (1.2, 0.0),
    "training": (1.2, 0.0),
    "captured": (2.0, 1.0),
}

# The same on a GPU. Groups whose limit is memory also aim at 85 % of the copy bandwidth on large inputs.
GPU_TARGETS = {
    "gemm": (0.95, 0.0),
    "tensor_cores": (0.85, 0.0),
    "conv": (0.7, 0.0),
    "pool": (1.0, 0.0),
    "xent": (1.5, 0.0),
    "norm": (1.0, 0.0),
    "interpolation": (1.0, 0.0),
    "embedding": (1.0, 0.0),
    "activation": (1.0, 0.0),
    "optim": (1.0, 0.0),
    "training": (1.2, 0.0),
    "captured": (1.2, 0.0),
}


def target(group: str, device: str) -> tuple[float, float] | None:
    """What a group aims at on a device, if it aims at something."""
    return (TARGETS if device == "cpu" else GPU_TARGETS).get(group)
