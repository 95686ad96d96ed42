"""check.sh without a GPU: its order of events with other stages, what it says where there is no GPU; its
parts, as far as they run on the emulation."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GPU = Path(__file__).parent
ROOT = GPU.parents[1]
sys.path.insert(0, str(GPU))

pytestmark = pytest.mark.skipif(shutil.which("timeout") is None, reason="needs coreutils")

STAGES = """
list() { printf '%s\\n' 'one 20' 'two 20 one' 'three 20 two' 'four 1 one' 'five 20 one' 'six 20'; }
case $1 in list) [ "$2" = "$WANTED_MODE" ] && list; exit ;; esac
echo "this is $2 with $LIMIT s"
case $2 in
  one) echo '{"lines": ["one is fine"]}' >"$OUT/parts/one.json" ;;
  two) echo "bad luck" >&2; exit 3 ;;
  four) sleep 30 ;;
  five) echo '{"lines": [' >"$OUT/parts/five.json" ;;
  six) echo "nothing to do"; exit 77 ;;
esac
"""


def check(tmp_path, *options, stages=None, **environment) -> tuple[subprocess.CompletedProcess, dict, str]:
    """Runs check.sh: (the process, check.json, summary.txt)."""
    if stages:
        (tmp_path / "stages.sh").write_text(stages)
        environment["NNCORE_GPU_STAGES"] = str(tmp_path / "stages.sh")
    result = subprocess.run(
        ["bash", GPU / "check.sh", tmp_path / "out", *options],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHON=sys.executable) | environment,
        timeout=120,
    )
    out = tmp_path / "out"
    return result, json.loads((out / "check.json").read_text()), (out / "summary.txt").read_text()


@pytest.mark.parametrize("mode", ["full", "quick"])
def test_goes_on_after_failures_and_lists_them(tmp_path, mode):
    options = ["--quick"] if mode == "quick" else []
    result, found, summary = check(tmp_path, *options, stages=STAGES, WANTED_MODE=mode)
    assert result.returncode == 1, result.stdout + result.stderr
    became = {s["name"]: s["became"] for s in found["stages"]}
    assert became == {
        "one": "passed",
        "two": "failed with status 3",
        "three": "not run: two failed",
        "four": "stopped: its time was over",
        "five": "passed",
        "six": "left out: nothing to do",
    }
    by_name = {s["name"]: s for s in found["stages"]}
    assert (found["mode"], found["passed"]) == (mode, False)
    assert by_name["one"]["result"] == {"lines": ["one is fine"]}
    assert by_name["two"]["log"] == ["this is two with 20 s", "bad luck"]
    assert "unreadable" in by_name["five"]
    assert by_name["four"]["seconds"] < 10
    for line in ("one is fine", "2 of 6 stages passed", "left out: six", "FAILED: two: failed with status 3"):
        assert line in summary
    assert summary in result.stdout
    names = re.findall(r"^FAILED: (\w+)", summary, re.MULTILINE)
    assert names == ["two", "three", "four"]


def test_passes_where_all_stages_do(tmp_path):
    stages = 'case $1 in list) echo "one 9" ;; esac'
    result, found, summary = check(tmp_path, stages=stages)
    assert (result.returncode, found["passed"]) == (0, True)
    assert "FAILED" not in summary
    assert not list((tmp_path / "out/parts").glob("*.json"))
    _, found, summary = check(tmp_path, stages="exit 0")
    assert not found["passed"]
    assert "FAILED: there was no stage" in summary


def test_says_that_there_is_no_gpu(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "nvidia-smi").write_text("#!/bin/bash\nexit 6\n")
    (tools / "nvidia-smi").chmod(0o755)
    result, found, summary = check(tmp_path, "--quick", PATH=f"{tools}:{os.environ['PATH']}")
    assert result.returncode == 1
    assert "there is no GPU here" in summary
    assert [s["became"] for s in found["stages"][1:]] == ["not run: machine failed"] * (len(found["stages"]) - 1)
    assert not (tmp_path / "out/build").exists()


@pytest.mark.parametrize(("mode", "limit"), [("full", 540), ("quick", 180)])
def test_the_times_of_the_stages_fit(mode, limit):
    listed = subprocess.run(["bash", GPU / "stages.sh", "list", mode], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert sum(int(seconds) for _, seconds, *_ in rows) <= limit - 5
    text = (GPU / "stages.sh").read_text()
    for i, (name, _, *needs) in enumerate(rows):
        assert f"stage_{name}()" in text
        assert set(needs) <= {before for before, *_ in rows[:i]}


def test_usage():
    result = subprocess.run(["bash", GPU / "check.sh"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "usage" in result.stderr


def outcomes(tmp_path, tests: str, *options: str) -> dict:
    """What the plugin keeps of a run of these tests."""
    (tmp_path / "test_it.py").write_text(tests)
    command = ["timeout", "--signal=INT", "5", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    command += ["-p", "outcomes", "--outcomes", tmp_path / "kept.json", tmp_path]
    subprocess.run(command, env=dict(os.environ, PYTHONPATH=str(GPU)), cwd=tmp_path, capture_output=True)
    return json.loads((tmp_path / "kept.json").read_text())


def test_outcomes_are_kept_where_time_is_over(tmp_path):
    kept = outcomes(
        tmp_path,
        "import time\n"
        "def test_good(): pass\n"
        "def test_bad(): raise RuntimeError('of its own')\n"
        "def test_long(): time.sleep(60)\n",
    )
    assert kept["counts"] == {"passed": 1, "failed": 1}
    assert kept["lines"][0] == "1 failed, 1 passed, interrupted"
    assert "of its own" in kept["lines"][1]


def test_a_lost_gpu_costs_one_process(tmp_path):
    pytest.importorskip("xdist")
    lost = importlib.import_module("outcomes").LOST
    assert lost in (ROOT / "cuda/backend.cpp").read_text()
    tests = f"lost = False\ndef test_fault():\n  global lost\n  lost = True\n  raise RuntimeError('{lost}')\n"
    tests += "\n".join(f"def test_{i}(): assert not lost" for i in range(6))
    kept = outcomes(tmp_path, tests, "-n", "1")
    assert kept["counts"] == {"passed": 6, "failed": 1}
    assert lost in kept["lines"][1]


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """primitives.cu with the CPU twins, and again where one of them is wrong."""
    primitives = importlib.import_module("primitives")
    return primitives, primitives.build_for_cpu(tmp_path_factory.mktemp("primitives"))


def test_every_primitive_has_an_experiment(twins):
    text = (ROOT / "cuda/primitives.cuh").read_text()
    functions = set(re.findall(r"NN_PRIMITIVE \w+ ([a-z]\w*)\(", text)) | set(
        re.findall(r"^NN_(?:MMA|WGMMA_\d+)\((\w+),", text, re.M)
    )
    assert {"copy_async", "mma_bf16", "wgmma_tf32", "tma_load_2d"} <= functions
    used = (GPU / "primitives.cu").read_text()
    assert [f for f in functions if not re.search(rf"\b{f}\b", used)] == []


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("capability", ["7.5", "8.0", "9.0"])
def test_nvcc_takes_the_experiments(tmp_path, capability):
    assert importlib.import_module("primitives").build_for_gpu(tmp_path, capability).exists()


def test_equal_primitives_agree(twins):
    primitives, program = twins
    differences = primitives.compare(program, program)
    assert len(differences) == 22
    assert set(differences.values()) == {""}
    assert primitives.report(differences)["lines"] == ["22 of 22 primitives do what their CPU twins do"]


def test_wrong_primitives_are_named(twins, tmp_path):
    primitives, program = twins
    other = tmp_path / "other"  # another GPU: one result differs, one experiment fails
    other.write_text(
        f"#!/bin/bash\n[ $1 = mma_bf16 ] && {{ {program} $1 | sed '3s/.*/12345678/'; exit; }}\n"
        f"[ $1 = mbarrier ] && {{ echo 'unspecified launch failure' >&2; exit 1; }}\n{program} $1\n"
    )
    other.chmod(0o755)
    differences = primitives.compare(other, program)
    bad = {name: text for name, text in differences.items() if text}
    assert set(bad) == {"mma_bf16", "mbarrier"}
    assert bad["mma_bf16"].startswith("1 of 128 words differ, the first is number 2: 12345678")
    assert "unspecified launch failure" in bad["mbarrier"]
