"""DataLoader with worker processes: order, seeds, errors, death, shutdown."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import loader_datasets as sets
import nncore as nc
from nncore.data import DataLoader, TensorDataset

METHODS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]
METHOD = METHODS[0]  # the quicker one, where the start method is not what is tested

# CPython warns of a fork in a process with threads; the loader's workers are made for it (see nncore.data.workers).
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def seeded(seed):
    return nc.Generator().manual_seed(seed)


def loader(data, batch_size=4, num_workers=2, method=METHOD, **options):
    return DataLoader(data, batch_size, num_workers=num_workers, multiprocessing_context=method, **options)


def wait_until_gone(pids, seconds=10.0):
    deadline = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.02)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # a zombie is gone too: its parent has only not asked yet
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def no_worker_is_left():
    yield
    gc.collect()  # an exception that a test kept holds its traceback, and that the iterator
    children = [child.pid for child in multiprocessing.active_children() if "DataLoader" in child.name]
    wait_until_gone(children)


@pytest.mark.parametrize("method", METHODS)
def test_same_batches_as_without_workers(method):
    for options in ({}, {"shuffle": True}, {"drop_last": True}):
        plain = list(DataLoader(sets.Rows(), 4, generator=seeded(3), **options))
        ahead = list(loader(sets.Rows(), method=method, generator=seeded(3), **options))
        assert len(plain) == len(ahead)
        for (x, y), (x2, y2) in zip(plain, ahead, strict=True):
            assert x.tolist() == x2.tolist()
            assert y.tolist() == y2.tolist()
            assert x.dtype == x2.dtype


def test_more_workers_than_batches_and_no_batches():
    assert [b[1].tolist() for b in loader(sets.Rows(5), num_workers=4)] == [[0, 1, 2, 3], [4]]
    assert list(loader(sets.Rows(0))) == []


def test_tensor_dataset_and_collate_fn():
    data = TensorDataset(nc.arange(10), nc.arange(10) * 2)
    assert [y.tolist() for _, y in loader(data)] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]
    assert list(loader(sets.Rows(5), collate_fn=sets.add_thousand)) == [[1000, 1001, 1002, 1003], [1004]]
    assert [s[1] for s in loader(sets.Rows(3), batch_size=None)] == [0, 1, 2]


def test_work_is_shared():
    pids = {pid for batch in loader(sets.Pids()) for pid in batch.tolist()}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_stream_is_shared():
    batches = [batch.tolist() for batch in loader(sets.Stream(10), batch_size=2)]
    assert batches == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]
    assert [b.tolist() for b in loader(sets.Stream(3), batch_size=4)] == [[0, 2], [1]]
    assert list(loader(sets.Stream(3), batch_size=None)) == [0, 1, 2]


def test_worker_seeds():
    def rows(seed):
        parts = list(loader(sets.Seeds(8), batch_size=2, generator=seeded(seed)))
        return [[column.tolist() for column in part] for part in parts]

    first = rows(1)
    assert [part[0] for part in first] == [[0, 0], [1, 1], [0, 0], [1, 1]]
    assert first[1][2][0] == first[0][2][0] + 1
    assert first[0][3:] != first[1][3:]
    assert rows(1) == first
    assert rows(2) != first


def test_worker_init_fn():
    got = list(loader(sets.Environment(8), batch_size=2, worker_init_fn=sets.init_env))
    assert got == [["0", "0"], ["1", "1"], ["0", "0"], ["1", "1"]]
    with pytest.raises(
        ValueError, match=r"Caught ValueError in DataLoader worker process 0(.|\n)*worker 0 cannot start"
    ):
        list(loader(sets.Rows(), worker_init_fn=sets.fail_init))


@pytest.mark.parametrize("method", METHODS)
def test_exception_reaches_the_caller(method):
    batches = iter(loader(sets.Fails(sets.fail_value), method=method))
    assert next(batches).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"in DataLoader worker process 1\.\n") as caught:
        next(batches)
    assert "loader_datasets.py" in str(caught.value)
    assert "raise self.make()" in str(caught.value)
    assert "item 5 is bad" in str(caught.value)
    assert next(batches).tolist() == [8, 9, 10, 11]  # the loader itself goes on, as PyTorch's does


def test_exceptions_that_are_hard_to_carry():
    with pytest.raises(KeyError) as caught:
        list(loader(sets.Fails(sets.fail_key)))
    assert "\nTraceback" in str(caught.value) or "\nOriginal Traceback" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"Caught NeedsTwoError(.|\n)*one(.|\n)*two"):
        list(loader(sets.Fails(sets.fail_two)))
    with pytest.raises(RuntimeError, match=r"in DataLoader worker process(.|\n)*(pickle|Pickling|lambda)"):
        list(loader(sets.Unpicklable(), collate_fn=list))


@pytest.mark.parametrize(("by_signal", "how"), [(False, "exit code 3"), (True, "killed by signal 9")])
def test_death_of_a_worker(by_signal, how):
    start = time.monotonic()
    batches = iter(loader(sets.Dies(by_signal)))
    assert next(batches).tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match=rf"worker process 1 \(pid \d+\) exited unexpectedly \({how}\)"):
        next(batches)
    assert time.monotonic() - start < 10
    with pytest.raises(StopIteration):
        next(batches)


def test_timeout():
    batches = iter(loader(sets.Sleeps(), timeout=0.3))
    next(batches)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.3 seconds"):
        next(batches)
    del batches
    assert time.monotonic() - start < 8


@pytest.mark.parametrize("method", METHODS)
def test_early_stop_ends_the_workers(method):
    for batch in loader(sets.Pids(1000), batch_size=2, num_workers=3, method=method):
        pids = set(batch.tolist())
        break
    wait_until_gone(pids)


def test_large_batches_and_early_stop():
    start = time.monotonic()
    batches = iter(loader(sets.Large(40), batch_size=4))
    assert [next(batches)[:, 0].tolist() for _ in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    del batches
    assert time.monotonic() - start < 8


def test_long_index_lists_do_not_block():
    """Batches of indices and results that both overfill a pipe: neither side may wait for the other."""
    data = TensorDataset(nc.zeros(200_000))
    assert [len(x) for (x,) in loader(data, batch_size=50_000, num_workers=1, prefetch_factor=4)] == [50_000] * 4


def test_two_loaders_at_once():
    outer = loader(sets.Rows(12))
    total = 0
    for _ in outer:
        inner = iter(loader(sets.Rows(12)))
        total += sum(next(inner)[1].tolist())
        start = time.monotonic()
        del inner
        assert time.monotonic() - start < 5
    assert total == 3 * 6


def test_persistent_workers():
    keeper = loader(sets.Pids(40), persistent_workers=True)
    first = {pid for batch in keeper for pid in batch.tolist()}
    for _ in keeper:
        break  # the rest of this epoch is dropped, not mixed into the next
    third = [pid for batch in keeper for pid in batch.tolist()]
    assert set(third) == first
    assert len(third) == 40
    order = loader(sets.Rows(), persistent_workers=True, shuffle=True, generator=seeded(1))
    plain = DataLoader(sets.Rows(), 4, shuffle=True, generator=seeded(1))
    for _ in range(3):
        assert [b[1].tolist() for b in order] == [b[1].tolist() for b in plain]
    del keeper, order
    wait_until_gone(first)


def script(body, **options):
    """Runs Python code that has `loader`, `sets` at hand, in a process of its own."""
    head = f"""
        import os, signal, sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import loader_datasets as sets
        from nncore.data import DataLoader
        if __name__ == "__main__":
    """
    text = textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body), "    ")
    heed_sigint = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  # a shell may ignore it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", text], preexec_fn=heed_sigint, **pipes)


def test_interpreter_exit_with_live_workers():
    process = script("""
        batches = iter(DataLoader(sets.Pids(1000), 2, num_workers=2))
        print(next(batches)[0].item(), next(batches)[0].item())
    """)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert err == "" or "DeprecationWarning" in err
    wait_until_gone([int(pid) for pid in out.split()])


def test_killed_parent_takes_its_workers_along():
    process = script("""
        batches = iter(DataLoader(sets.Pids(1000), 2, num_workers=2))
        print(next(batches)[0].item(), next(batches)[0].item(), flush=True)
        time.sleep(60)
    """)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    wait_until_gone(pids)


def test_ctrl_c_is_for_the_parent_alone():
    process = script("""
        batches = iter(DataLoader(sets.Pids(100000), 2, num_workers=2))
        pids = next(batches)[0].item(), next(batches)[0].item()
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        for _ in range(20):
            next(batches)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("caught")
    """)
    out, err = process.communicate(timeout=30)
    assert out == "caught\n"
    assert "Traceback" not in err
