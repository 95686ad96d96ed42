"""python -m bench: nncore, NumPy and PyTorch side by side."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # the case tables of the operations

import nncore as nc
from bench import captured, gemm, machine, optim, report, rnn, tables, timing, training
from bench.bench import TARGETS

try:
    import torch
except ImportError:
    torch = None

GROUPS = {
    "gemm": gemm.benches,
    **{group: lambda peer, g=group: tables.benches(g, peer) for group in tables.GROUPS},
    "rnn": rnn.benches,
    "optim": optim.benches,
    "training": training.benches,
    "captured": captured.benches,
}
assert set(GROUPS) == set(TARGETS)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this group; may be given several times")
    parser.add_argument("--threads", type=int, help="threads of each library (default: what nncore uses by itself)")
    parser.add_argument("--repeat", type=int, default=7, help="blocks of which the median is taken")
    parser.add_argument("--quick", action="store_true", help="3 short blocks: for a first look, not for figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to a file")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    return parser.parse_args()


def set_threads(threads: int | None, peer) -> None:
    """The same number for each library."""
    import threadpoolctl

    if threads:
        nc.set_num_threads(threads)
    threadpoolctl.threadpool_limits(nc.get_num_threads(), user_api="blas")
    if peer:
        peer.set_num_threads(nc.get_num_threads())


def main() -> None:
    options = arguments()
    peer = None if options.no_torch else torch
    set_threads(options.threads, peer)
    facts = machine.describe(peer)
    print(*[f"{k}: {v}" for k, v in facts.items()], sep="\n")
    binding = timing.Binding()
    repeat, seconds = (3, 0.01) if options.quick else (options.repeat, 0.04)
    done = []
    for group in options.group or GROUPS:
        print("\n" + report.line((group, *report.HEADER[1:])))
        for bench in GROUPS[group](peer):
            timing.measure(bench, repeat, seconds, binding)
            bench.run = {}  # gives back the memory of its tensors
            print(report.line(report.row(bench, facts)), flush=True)
            done.append(bench)
    rows = report.summary(done)
    if rows:
        print("", *report.summary_lines(rows), sep="\n")
    if options.json:
        cases = [report.record(b, facts) for b in done]
        options.json.write_text(json.dumps({"machine": facts, "summary": rows, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
