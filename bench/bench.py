"""What a benchmark is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Bench:
    """One thing that each library does in its own way: `run[library]()` does it once."""

    group: str
    name: str
    run: dict[str, Callable[[], object]]
    flops: float = 0.0  # floating operations of one run, where those are the limit
    bytes: float = 0.0  # bytes that one run must move at least, where memory is the limit
    seconds: dict[str, float] = field(default_factory=dict)  # measured: the median time of one run

    @property
    def ratio(self) -> float | None:
        """PyTorch's time over nncore's: above 1 where nncore is faster."""
        return self.seconds["torch"] / self.seconds["nncore"] if "torch" in self.seconds else None


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
