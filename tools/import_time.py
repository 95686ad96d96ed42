"""How much `import nncore` adds to NumPy's import: the median of several fresh processes.

python tools/import_time.py [--limit MILLISECONDS]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CODE = """
import time
a = time.perf_counter()
import numpy
b = time.perf_counter()
import nncore
c = time.perf_counter()
print(1000 * (b - a), 1000 * (c - b))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=float("inf"), help="milliseconds above which this fails")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    times = []
    for _ in range(options.runs):
        run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
        times.append([float(t) for t in run.stdout.split()])
    numpy, ours = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"import numpy: {numpy:.0f} ms; import nncore adds {ours:.0f} ms (median of {options.runs} processes)")
    return int(ours > options.limit)


if __name__ == "__main__":
    raise SystemExit(main())
