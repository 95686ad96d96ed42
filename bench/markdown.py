"""python -m bench.markdown FILE: the tables of the documents, from what `python -m bench --json FILE` kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench import speedup
from bench.bench import GPU_TARGETS, TARGETS
from bench.report import duration

TITLES = {
    "gemm": "matrix product",
    "tensor_cores": "matrix product on tensor cores",
    "conv": "convolution, forward and backward",
    "transposed": "transposed convolution, forward and backward",
    "pool": "pooling, forward and backward",
    "xent": "cross-entropy, forward and backward",
    "norm": "normalisation, forward and backward",
    "interpolation": "interpolation, forward and backward",
    "attention": "attention, forward and backward",
    "ctc": "CTC loss, forward and backward",
    "embedding": "sums of embeddings, forward and backward",
    "activation": "activations and softmax, forward and backward",
    "rnn": "recurrent layers, forward and backward",
    "optim": "optimizer step",
    "training": "training step of whole networks",
    "captured": "training step, captured",
}
assert set(TITLES) == set(TARGETS) | set(GPU_TARGETS)


def machine(facts: dict) -> str:
    """Where and when, in one sentence."""
    return (
        f"{facts['processor']}, {facts['threads']} threads, {facts['instruction set']}, {facts['date']}: "
        f"nncore {facts['nncore']} ({facts['compiler']}), PyTorch {facts['torch']}, NumPy {facts['numpy']}; "
        f"multiply-add peak {facts['FMA peak, float32, GFLOP/s']} GFLOP/s, copy {facts['copy bandwidth, GB/s']} GB/s."
    )


def gpu(facts: dict) -> str:
    """The GPU, in one sentence."""
    return (
        f"{facts['GPU']}, {facts['multiprocessors']} multiprocessors: PyTorch {facts['torch']}; "
        f"copy {facts['copy bandwidth, GB/s']} GB/s."
    )


def of(measured: dict, device: str) -> dict:
    """What was measured on one device."""
    return {key: [row for row in measured[key] if row["device"] == device] for key in ("summary", "cases")}


def summary(measured: dict) -> list[str]:
    """One row for each group."""
    lines = [
        "| PyTorch's time over nncore's | cases | geometric mean | least | most |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in measured["summary"]:
        ratios = [c["ratio"] for c in measured["cases"] if c["group"] == row["group"] and c["ratio"]]
        mean = f"**{row['geometric mean']:.2f}**"
        title = TITLES[row["group"]]
        lines.append(f"| {title} | {row['cases']} | {mean} | {min(ratios):.2f} | {max(ratios):.1f} |")
    return lines


def cases(measured: dict) -> list[str]:
    """One row for each case."""
    lines = []
    for row in measured["summary"]:
        lines += [
            "",
            f"### {TITLES[row['group']]}",
            "",
            "| | nncore | NumPy | PyTorch | ratio | reached | of the peak |",
        ]
        lines.append("| --- | --- | --- | --- | --- | --- | --- |")
        for c in measured["cases"]:
            if c["group"] == row["group"]:
                times = [duration(c["seconds"].get(name)) for name in ("nncore", "numpy", "torch")]
                ratio = f"{c['ratio']:.2f}" if c["ratio"] else "-"
                lines.append("| " + " | ".join([c["name"], *times, ratio, c["reached"], c["of the peak"]]) + " |")
    return lines


def main() -> None:
    measured = json.loads(Path(sys.argv[1]).read_text())
    if measured["machine"]:
        print(machine(measured["machine"]), "", *summary(of(measured, "cpu")), *cases(of(measured, "cpu")), sep="\n")
    if measured["gpu"]:
        print("", gpu(measured["gpu"]), "", *summary(of(measured, "cuda")), *cases(of(measured, "cuda")), sep="\n")
    if measured["speed-up"]:
        print("", *speedup.markdown(measured["speed-up"], TITLES), sep="\n")


if __name__ == "__main__":
    main()
