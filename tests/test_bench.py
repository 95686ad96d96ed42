"""python -m bench: its command line, its cases, and with tiny cases its way over a GPU or the emulation."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nncore as nc
from bench import __main__ as command
from bench import bench, captured, gemm, gpu, markdown, report, speedup, tables, training


def tiny(nn):
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 10))


class Unbound:
    """Leaves the threads of the tests where they are."""

    def bind(self, library):
        pass

    def bind_main(self):
        pass


@pytest.fixture
def tiny_cases(monkeypatch):
    """Cases that take no time, also on the emulation."""
    monkeypatch.setattr(gemm, "CUBES", (4, 5))
    monkeypatch.setattr(gemm, "GPU_CUBES", (15, 25))
    monkeypatch.setattr(training, "NETWORKS", [("tiny", tiny, (2, 3))])
    monkeypatch.setattr(captured, "NETWORKS", [("tiny", tiny, (2, 3))])
    monkeypatch.setattr(gpu, "MOST_COPIES", 3)
    monkeypatch.setattr(command.machine, "copy_bandwidth", lambda: 1e10)
    monkeypatch.setattr(command.timing, "SLEEP", 0.0)
    monkeypatch.setattr(nc._core, "measure_fma_peak", lambda dtype, device: 1e12)  # takes minutes on the emulation


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command, and gives its exit status with what it wrote to the file."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--json", str(tmp_path / "kept.json"), *arguments])
        monkeypatch.setattr(command.timing, "Binding", Unbound)
        file = tmp_path / "kept.json"
        status = command.main()
        return status, json.loads(file.read_text()) if file.exists() else None

    return run


def fake(device, group, name, nncore, torch=None, **options):
    """A case as if it was measured."""
    seconds = {"nncore": nncore} | ({"torch": torch} if torch else {})
    return bench.Bench(group, name, {}, device=device, seconds=seconds, **options)


def test_on_the_cpu(tiny_cases, run, capsys):
    pytest.importorskip("threadpoolctl")
    status, kept = run("--group", "gemm", "--match", "^3", "--no-torch")
    assert status == 0
    assert [c["name"] for c in kept["cases"]] == ["4^3", "5^3", "512^3, A transposed", "64 times 64^3"]
    assert all(c["seconds"].keys() == {"nncore", "numpy"} for c in kept["cases"])
    assert (kept["gpu"], kept["speed-up"], kept["left out"]) == (None, [], [])
    assert "GFLOP/s" in capsys.readouterr().out
    status, kept = run("--group", "gemm", "--group", "training", "--seconds", "1e-9")
    assert (status, kept["left out"]) == (0, ["gemm on cpu", "training on cpu"])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor")
def test_the_threads_of_a_library_have_processors_of_their_own():
    pytest.importorskip("threadpoolctl")
    program = """
import os, sys
from bench import __main__ as command
sys.argv = ["bench", "--no-torch", "--threads", "2"]
command.machine.copy_bandwidth = lambda: 1e10
seen = set()
def describe(peer):
    before = set(os.listdir("/proc/self/task"))
    facts = made(peer)
    seen.update(set(os.listdir("/proc/self/task")) - before)
    return facts
made, command.machine.describe = command.machine.describe, describe
options = command.arguments()
command.set_threads(options.threads, None)
facts = command.Session(options).facts["cpu"]
threads = [os.getpid(), *map(int, seen)]
print(facts["processors"], *(sorted(os.sched_getaffinity(thread)) for thread in threads), sep=";")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(bench.__file__).parents[1], capture_output=True, text=True, check=True)
    processors, main, worker = done.stdout.strip().split(";")
    assert int(processors) == len(os.sched_getaffinity(0))
    assert len(json.loads(main)) == len(json.loads(worker)) == 1
    assert main != worker


@pytest.mark.skipif(nc.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(run, capsys):
    status, kept = run("--devices", "cpu,cuda")
    assert (status, kept) == (1, None)
    assert f"there is no GPU to measure: {nc.cuda.unavailable_reason()}" in capsys.readouterr().out


@pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")
def test_on_both_devices(tiny_cases, run, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    plot = tmp_path / "plot.png"
    groups = ["--group", "gemm", "--group", "tensor_cores", "--plot", str(plot)]
    status, kept = run("--devices", "cpu,cuda", *groups, "--match", "5^3")
    assert status == 0
    cases = {(c["device"], c["name"]): c for c in kept["cases"]}
    names = ["5^3", "15^3", "25^3", "25^3 TF32"]
    assert [name for device, name in cases if device == "cuda" and "float" not in name] == names
    assert [name for device, name in cases if device == "cpu"] == ["5^3"]
    assert cases["cuda", "5^3"]["in L2"]
    assert cases["cuda", "5^3"]["reached"].endswith("TFLOP/s")
    assert nc.get_float32_matmul_precision() == "highest"
    (row,) = kept["speed-up"]
    assert (row["name"], row["speed-up"]) == ("5^3", pytest.approx(row["cpu"] / row["cuda"]))
    assert plot.stat().st_size > 1000
    assert "CPU/GPU" in capsys.readouterr().out


@pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")
def test_training_on_both_devices(tiny_cases, run):
    status, kept = run("--devices", "cuda,cpu", "--group", "training")
    assert status == 0, kept["lines"]
    assert [r["name"] for r in kept["speed-up"]] == ["tiny, SGD", "tiny, Adam"]


@pytest.mark.parametrize("devices", ["cpu", "cuda,cpu"])
def test_captured_steps(tiny_cases, run, devices):
    if "cuda" in devices and not nc.cuda.is_available():
        pytest.skip("there is no GPU")
    status, kept = run("--devices", devices, "--group", "captured", "--no-torch")
    assert status == 0, kept["lines"]
    assert [c["name"] for c in kept["cases"] if c["device"] == "cpu"] == ["tiny", "tiny, eager"]
    assert [r["name"] for r in kept["speed-up"]] == (["tiny", "tiny, eager"] if "cuda" in devices else [])


def test_a_graph_of_pytorch_is_captured_once_and_gets_the_data_of_each_call():
    """Of its CUDA module only the order of calls: there need not be a GPU."""
    torch = pytest.importorskip("torch")
    calls = []

    class Stream:
        def wait_stream(self, other):
            calls.append("wait")

    class Graph:
        def replay(self):
            calls.append("replay")

    @contextlib.contextmanager
    def within(what):
        calls.append(f"in {type(what).__name__}")
        yield

    main, side = Stream(), Stream()
    fake = SimpleNamespace(
        cuda=SimpleNamespace(
            Stream=lambda: side, current_stream=lambda: main, stream=within, CUDAGraph=Graph, graph=within
        )
    )
    ran = []

    def step(x, t):
        ran.append((x, t))
        return x + t

    replay = captured.in_graph(fake, step)
    first, second = torch.ones(2), torch.zeros(2)
    assert replay(first, second) is replay(second, second)
    assert calls == ["wait", "in Stream", "wait", "in Graph", "replay", "replay"]
    assert len(ran) == captured.WARM_UP + 1
    inside = ran[-1][0]
    assert inside is not first
    assert inside.tolist() == second.tolist()


@pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")
def test_what_fails_on_a_gpu_is_told(tiny_cases, run, monkeypatch):
    def benches(torch, device):
        yield bench.Bench("gemm", "bad", {"nncore": lambda: lambda: 1 / 0}, device=device)
        yield gemm.contest("good", [(2, 2), (2, 2)], None, device)

    monkeypatch.setitem(command.GROUPS, "gemm", benches)
    status, kept = run("--devices", "cuda", "--group", "gemm", "--no-torch")
    assert status == 1
    assert [bool(c["trouble"]) for c in kept["cases"]] == [True, False]
    assert "gemm, bad: ZeroDivisionError: division by zero" in kept["lines"]


class FakeGPU:
    """A library whose every run takes 1 ms on the device, and whose tensors take a third of its cache."""

    def __init__(self, cache: int):
        self.now, self.memory, self.made, self.ran = 0.0, 0, 0, []
        self.cuda = self
        self.L2_cache_size = cache

    def get_device_properties(self, device):
        return self

    def memory_allocated(self):
        return self.memory

    def synchronize(self):
        pass

    def Event(self, enable_timing):  # noqa: N802
        library = self

        class Event:
            def record(self):
                self.at = library.now

            def synchronize(self):
                pass

            def elapsed_time(self, end):
                return end.at - self.at

        return Event()

    def make(self):
        number, self.made = self.made, self.made + 1
        self.memory += 100

        def run():
            self.now += 1
            self.ran.append(number)

        return run


def test_runs_take_turns_on_copies_that_fill_the_cache_twice():
    library = FakeGPU(300)
    contestant = gpu.Contestant(library, library.make)
    assert (library.made, contestant.in_cache) == (6, False)
    library.ran.clear()
    assert contestant.block(0.008) == pytest.approx(1e-3)
    assert library.ran == [0, 1, 2, 3, 4, 5, 0, 1]
    library = FakeGPU(10**6)
    assert gpu.Contestant(library, library.make).in_cache
    assert library.made == gpu.MOST_COPIES


def test_importers_keep_layouts():
    for array in (np.ones((3, 4)), np.asfortranarray(np.ones((3, 4))), np.ones((2, 3, 4))):
        made = bench.importer(nc, "cuda" if nc.cuda.is_available() else "cpu")(array)
        assert [s * array.itemsize for s in made.stride()] == list(array.strides)


def test_aims_differ_by_device():
    done = [
        fake("cpu", "gemm", "a", 1.0, 2.0),
        fake("cuda", "gemm", "a", 1.0, 0.96),
        fake("cuda", "rnn", "b", 1.0, 2.0),
    ]
    rows = report.summary(done)
    assert [(r["device"], r["target"], r["reached"]) for r in rows] == [
        ("cpu", 1.0, True),
        ("cuda", 0.95, True),
        ("cuda", None, None),
    ]
    assert len(report.summary_lines(rows)) == 4


def test_units_and_shares():
    facts = {"FMA peak, float32, GFLOP/s": 1000.0, "copy bandwidth, GB/s": 4000.0}
    assert report.speed(fake("cpu", "gemm", "a", 1.0, flops=5e11), facts) == ("500.0 GFLOP/s", "50 %")
    assert report.speed(fake("cuda", "gemm", "a", 1.0, flops=5e11), facts) == ("0.5 TFLOP/s", "50 %")
    assert report.speed(fake("cuda", "norm", "a", 1.0, bytes=3e12), facts) == ("3 TB/s", "75 %")
    assert report.speed(fake("cuda", "conv", "a", 1.0, flops=5e11, precision="high"), facts) == ("0.5 TFLOP/s", "")
    assert report.row(fake("cuda", "gemm", "a", 1.0, trouble="no kernel"), facts) == ("a", "no kernel")


def test_speed_up_is_of_what_both_devices_have_done():
    done = [fake("cuda", "gemm", "a", 1.0), fake("cuda", "gemm", "large", 1.0), fake("cuda", "norm", "c", 2.0)]
    done += [fake("cpu", "gemm", "a", 4.0), fake("cpu", "norm", "c", 2.0), fake("cpu", "norm", "d", 1.0)]
    rows = speedup.table(done)
    assert [(r["group"], r["name"], r["speed-up"]) for r in rows] == [("gemm", "a", 4.0), ("norm", "c", 1.0)]
    assert speedup.markdown(rows, markdown.TITLES)[2] == "| matrix product | 1 | **4.0** | 4.0 | 4.0 |"
    assert any(line.split() == ["a", "4", "s", "1", "s", "4.00"] for line in speedup.lines(rows))


def test_markdown_tells_devices_apart(tmp_path, monkeypatch, capsys):
    done = [fake("cuda", "gemm", "a", 1.0, 2.0, flops=1e12), fake("cpu", "gemm", "a", 4.0, 8.0, flops=1e12)]
    facts = {"FMA peak, float32, GFLOP/s": 1000.0, "copy bandwidth, GB/s": 4000.0}
    words = dict.fromkeys(
        ("processor", "threads", "instruction set", "date", "nncore", "compiler", "torch", "numpy"), 1
    )
    kept = {
        "machine": facts | words,
        "gpu": facts | {"GPU": "a GPU", "multiprocessors": 2, "torch": "3"},
        "summary": report.summary(done),
        "cases": [report.record(b, facts) for b in done],
        "speed-up": speedup.table(done),
    }
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    monkeypatch.setattr(sys, "argv", ["markdown", str(tmp_path / "kept.json")])
    markdown.main()
    said = capsys.readouterr().out
    assert said.count("| matrix product | 1 | **2.00** | 2.00 | 2.0 |") == 2
    assert said.index("GFLOP/s |") < said.index("a GPU, 2 multiprocessors") < said.index("1 TFLOP/s |")
    assert "| matrix product | 1 | **4.0** | 4.0 | 4.0 |" in said


@pytest.mark.parametrize("group", tables.GROUPS)
def test_cases_of_the_tables_have_an_amount_of_work(group):
    cases = list(tables.benches(group, None, "cpu"))
    assert cases
    assert all(b.flops > 0 or b.bytes > 0 for b in cases)
