"""python -m bench: nncore, NumPy and PyTorch side by side; on a GPU too, and the GPU against the CPU."""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # the case tables of the operations

import nncore as nc
from bench import captured, gemm, gpu, machine, optim, report, rnn, speedup, tables, timing, training
from bench.bench import GPU_TARGETS, TARGETS, Bench

try:
    import torch
except ImportError:
    torch = None

GROUPS = {
    "gemm": gemm.benches,
    "tensor_cores": gemm.tensor_core_benches,
    **{group: partial(tables.benches, group) for group in tables.GROUPS},
    "rnn": rnn.benches,
    "optim": optim.benches,
    "training": training.benches,
    "captured": captured.benches,
}
ONLY_ON = {"tensor_cores": "cuda"}
assert set(GROUPS) == set(TARGETS) | set(GPU_TARGETS)


def devices(text: str) -> list[str]:
    """Of --devices."""
    found = text.split(",")
    if not set(found) <= {"cpu", "cuda"}:
        raise argparse.ArgumentTypeError(f"expected cpu, cuda or cpu,cuda, got {text}")
    return sorted(set(found), reverse=True)  # the GPU first: it is faster done with


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--devices", type=devices, default=["cpu"], help="cpu (the default), cuda, or cpu,cuda")
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this group; may be given several times")
    parser.add_argument("--match", metavar="TEXT", default="", help="only cases with this in their name")
    parser.add_argument("--threads", type=int, help="threads of each library (default: what nncore uses by itself)")
    parser.add_argument("--repeat", type=int, default=7, help="blocks of which the median is taken")
    parser.add_argument("--quick", action="store_true", help="3 short blocks: for a first look, not for figures")
    parser.add_argument("--seconds", type=float, help="begin no case after this time, and name what was left out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to a file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the speed-up of the GPU over the CPU")
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


def peer_on(device: str, options) -> object:
    """PyTorch, where it is wanted and has the device."""
    if options.no_torch or not torch or (device == "cuda" and not torch.cuda.is_available()):
        return None
    return torch


class Session:
    """A run of the command: what it measures with, what it has measured, what it had no time for."""

    def __init__(self, options):
        self.options = options
        self.repeat, self.seconds = (3, 0.01) if options.quick else (options.repeat, 0.04)
        self.until = time.monotonic() + options.seconds if options.seconds else float("inf")
        self.binding = timing.Binding()
        self.peers = {device: peer_on(device, options) for device in options.devices}
        self.facts = {d: (machine if d == "cpu" else gpu).describe(peer) for d, peer in self.peers.items()}
        self.binding.bind("nncore")
        self.binding.bind_main()
        self.done: list[Bench] = []
        self.left: list[str] = []

    def measure(self, bench: Bench, peer) -> None:
        """One case; on a GPU, where kernels may be missing or wrong, it may fail."""
        if bench.device == "cpu":
            return timing.measure(bench, self.repeat, self.seconds, self.binding)
        try:
            gpu.measure(bench, self.repeat, self.seconds, peer)
        except Exception as error:
            bench.trouble = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

    def group(self, device: str, name: str, peer) -> None:
        """The cases of a group on a device."""
        if ONLY_ON.get(name, device) != device:
            return
        print("\n" + report.line((f"{name}, {device}", *report.HEADER[1:])))
        for bench in GROUPS[name](peer, device):
            if self.options.match not in bench.name:
                continue
            if time.monotonic() > self.until:
                self.left.append(f"{name} on {device}")
                return
            self.measure(bench, peer)
            print(report.line(report.row(bench, self.facts[device])), flush=True)
            self.done.append(bench)

    def run(self) -> None:
        """Every group on every device."""
        for device in self.options.devices:
            print("", *[f"{k}: {v}" for k, v in self.facts[device].items()], sep="\n")
            for name in self.options.group or GROUPS:
                self.group(device, name, self.peers[device])

    def conclude(self) -> bool:
        """Prints and keeps the summary. Whether all could be measured."""
        rows = report.summary(self.done)
        faster = speedup.table(self.done)
        trouble = [f"{b.group}, {b.name}: {b.trouble}" for b in self.done if b.trouble]
        lines = report.summary_lines(rows) if rows else []
        lines += ["", *speedup.lines(faster)] if faster else []
        lines += ["", "no time for: " + ", ".join(self.left)] if self.left else []
        lines += ["", "could not be measured:", *trouble] if trouble else []
        print("", *lines, sep="\n")
        if self.options.plot and faster:
            title = f"nncore, {self.facts['cuda']['GPU']} over {self.facts['cpu']['processor']}"
            speedup.plot(faster, title, self.options.plot)
        if self.options.json:
            kept = {"machine": self.facts.get("cpu"), "gpu": self.facts.get("cuda"), "summary": rows}
            kept["cases"] = [report.record(b, self.facts[b.device]) for b in self.done]
            kept |= {"speed-up": faster, "left out": self.left, "lines": lines}
            self.options.json.write_text(json.dumps(kept, indent=1) + "\n")
        return not trouble


def main() -> int:
    options = arguments()
    if "cuda" in options.devices and not nc.cuda.is_available():
        print(f"there is no GPU to measure: {nc.cuda.unavailable_reason()}")
        return 1
    set_threads(options.threads, peer_on("cpu", options))
    session = Session(options)
    session.run()
    return 0 if session.conclude() else 1


if __name__ == "__main__":
    sys.exit(main())
