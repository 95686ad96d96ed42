"""Threads: how many, in which process, and beside whom."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

import nncore as nc

LIMITS = "import os, nncore as nc; print(nc.get_num_threads())"


@pytest.fixture(autouse=True)
def same_setting_afterwards():
    before = nc.get_num_threads()
    yield
    nc.set_num_threads(before)


def threads_in_fresh_process(code: str = LIMITS, **environment: str) -> int:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_"))}
    run = subprocess.run([sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])


def product(seed: int = 0, n: int = 256) -> bytes:
    random = np.random.default_rng(seed)
    a, b = (nc.from_numpy(random.standard_normal((n, n), dtype=np.float32)) for _ in range(2))
    return nc.mm(a, b).numpy().tobytes()


def test_default_is_at_most_the_affinity():
    assert 1 <= threads_in_fresh_process() <= len(os.sched_getaffinity(0))


def test_affinity_of_one_processor():
    one = min(os.sched_getaffinity(0))
    assert threads_in_fresh_process(f"import os; os.sched_setaffinity(0, {{{one}}}); {LIMITS}") == 1


def test_omp_num_threads():
    assert threads_in_fresh_process(OMP_NUM_THREADS="1") == 1
    assert threads_in_fresh_process(OMP_NUM_THREADS="64") <= len(os.sched_getaffinity(0))


def test_threads_bound_to_places_are_not_counted_as_one_processor():
    assert threads_in_fresh_process(OMP_PROC_BIND="true") == threads_in_fresh_process()


UNLIMITED = 2**31 - 1


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, UNLIMITED),
        ("0::/\n", {"cpu.max": "max 100000"}, UNLIMITED),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),  # one and a half processors: two threads
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),  # the parent's quota counts
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1),
        (
            "4:memory:/x\n1:cpu,cpuacct:/\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"},
            UNLIMITED,
        ),
        ("1:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"}, 4),
        ("nonsense", {}, UNLIMITED),
    ],
)
def test_quota_of_the_control_group(tmp_path, groups, files, expected):
    (tmp_path / "groups").write_text(groups)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert nc._core.cgroup_cpus(str(tmp_path), str(tmp_path / "groups")) == expected


def test_set_num_threads():
    nc.set_num_threads(3)  # more than the default is allowed when it is asked for
    assert nc.get_num_threads() == 3
    nc.set_num_threads(1)
    assert nc.get_num_threads() == 1
    for wrong in (0, -1):
        with pytest.raises(RuntimeError, match="set_num_threads expects a positive integer"):
            nc.set_num_threads(wrong)


def test_set_num_threads_reaches_other_python_threads():
    nc.set_num_threads(1)
    seen = []
    other = threading.Thread(target=lambda: seen.append(nc.get_num_threads()))
    other.start()
    other.join()
    assert seen == [1]


def test_many_python_threads_at_once():
    nc.set_num_threads(2)
    expected = [product(seed) for seed in range(6)]
    wrong = []

    def work(seed: int) -> None:
        for _ in range(20):
            if product(seed) != expected[seed]:
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def child(queue, seed: int) -> None:
    queue.put((product(seed), nc.get_num_threads()))


def in_child(method: str) -> tuple[bytes, int]:
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, 1))
    process.start()
    result = queue.get(timeout=60)
    process.join(60)
    assert process.exitcode == 0
    return result


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of fork in a process with threads
def test_fork_after_the_pool_ran():
    nc.set_num_threads(2)
    expected = product(1)
    bits, threads = in_child("fork")
    assert bits == expected
    assert threads == 1, "the pool's threads do not exist in the child"
    assert product(1) == expected  # and the parent still works


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_other_threads_compute():
    nc.set_num_threads(2)
    expected = product(1)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            product(2, 512)

    worker = threading.Thread(target=busy)
    worker.start()
    try:
        for _ in range(5):
            assert in_child("fork")[0] == expected
    finally:
        stop.set()
        worker.join()


def run_spawned() -> None:
    """Run as a script by the next test: spawn needs a main module that it can import."""
    nc.set_num_threads(2)
    expected = product(1)
    assert in_child("spawn")[0] == expected


def test_spawn_after_the_pool_ran():
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


AT_EXIT = """
import threading, time
import numpy as np, nncore as nc
a = nc.ones(200, 200)
def work():
    while True:
        nc.mm(a, a)
        nc.from_numpy(np.ones(9)) + 1  # memory that NumPy gets back
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""


def test_daemon_threads_do_not_crash_the_end_of_the_program():
    run = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")


def test_threadpoolctl_sees_and_limits():
    nc.set_num_threads(2)
    product()
    pools = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "openmp"]
    assert pools, "the OpenMP runtime is not seen"
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert nc.get_num_threads() == 1
        product()
    assert nc.get_num_threads() == 2


def test_info_tells_the_limits():
    assert "CPU affinity" in nc._core.describe_threads()


if __name__ == "__main__":
    run_spawned()
