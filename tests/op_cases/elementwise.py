"""Cases of the elementwise operations."""

import nncore as nc
from nncore import reference as ref

from op_cases import Case, Draw, Sample, layouts


def unary_samples(kinks=()):
    """Every layout and size that an elementwise kernel treats differently, away from the kinks and on them."""

    def samples(draw: Draw):
        for x in layouts(draw.away_from(kinks, 3, 5)):
            yield Sample((x,))
        for shape in [(), (1,), (0,), (2, 0, 3), (67,), (2, 3, 4, 5)]:
            yield Sample((draw.away_from(kinks, *shape),), label=str(shape))
        yield Sample((draw.extremes(),), label="extremes", smooth=False)

    return samples


def large(draw: Draw):
    """From the cache to memory."""
    for count in (1 << 12, 1 << 18, 1 << 23):
        yield Sample((draw.normal(count),), label=f"{count}")


CASES = [
    Case("relu", nc.relu, ref.elementwise.relu, unary_samples(kinks=(0.0,)), benchmark=large),
]
