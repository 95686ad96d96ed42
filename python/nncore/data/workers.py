"""DataLoader workers: processes that fetch batches ahead of the training loop.

Each worker has one pipe. Tasks go down it, results come back up in the order of its tasks, so the loader restores
the order of all batches by remembering which worker has which: no shared queue, no lock, no feeder process. A thread
of the parent empties the pipes into one inbox per worker, so that a worker never waits for the training loop to read.
Traps: a process forked from the parent, another worker above all, inherits the parent's ends of all pipes and must
close them, or the workers would never see the end of file; and a worker may die at any time, so no wait is without end.
"""

import contextlib
import multiprocessing
import os
import queue
import random
import signal
import threading
import time
import traceback
import weakref
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import nncore

_RESULT, _ERROR, _EXHAUSTED = range(3)
_POLL_S = 2.0  # how often a wait looks whether the other side is still alive
_GRACE_S = 1.0  # how long a worker may take to finish its last sample when the loader closes


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info()` tells: this worker's number, how many there are, its seed, its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader worker its `WorkerInfo`; None in the main process."""
    return _worker_info


# ---------------------------------------------------------------------------------------------- in the worker process


def _work(pipe, info: WorkerInfo, make_fetcher, init_fn) -> None:
    global _worker_info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training loop's to handle; it then closes the pipes
    _worker_info = info
    _seed(info.seed)
    parent = multiprocessing.parent_process()
    startup_error = None
    try:
        if init_fn is not None:
            init_fn(info.id)
    except Exception as error:
        startup_error = _describe(error, info.id)
    fetcher, epoch = None, 0
    try:
        while True:
            while not pipe.poll(_POLL_S):
                if not parent.is_alive():
                    return
            task = pipe.recv()
            if isinstance(task, int):  # a new epoch begins
                epoch, fetcher = task, None
                continue
            try:
                if startup_error is None and fetcher is None:
                    fetcher = make_fetcher(info.dataset)
                answer = (_ERROR, startup_error) if startup_error else (_RESULT, fetcher(task[0]))
            except StopIteration:
                answer = (_EXHAUSTED, None)
            except Exception as error:
                answer = (_ERROR, _describe(error, info.id))
            pipe.send_bytes(_pack(epoch, *answer, info.id))
    except (EOFError, OSError):
        return  # the loader closed its end: nothing more is wanted


def _seed(seed: int) -> None:
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    nncore.manual_seed(seed)
    nncore.set_num_threads(1)  # the workers are the parallelism; their threads would crowd out the training loop's


def _describe(error: Exception, worker: int) -> tuple[type, str]:
    text = f"Caught {type(error).__name__} in DataLoader worker process {worker}.\nOriginal {traceback.format_exc()}"
    return type(error), text


def _pack(epoch: int, kind: int, data, worker: int):
    try:
        return ForkingPickler.dumps((epoch, kind, data))
    except Exception as error:  # a batch, or an exception class, that cannot be pickled
        if kind == _ERROR:
            return ForkingPickler.dumps((epoch, kind, (RuntimeError, data[1])))
        return ForkingPickler.dumps((epoch, _ERROR, (RuntimeError, _describe(error, worker)[1])))


# ---------------------------------------------------------------------------------------------------- in the parent

_parent_ends: set = set()  # of the pipes of all loaders in this process


def _close_inherited() -> None:
    for connection in _parent_ends:
        connection.close()
    _parent_ends.clear()


os.register_at_fork(after_in_child=_close_inherited)


class WorkerIterator:
    """Iterates over the batches of a DataLoader with workers; `restart` begins the next epoch with the same workers."""

    def __init__(self, loader, seed: int, indices):
        self._timeout, self._epoch = loader.timeout, 0
        self._loader = weakref.ref(loader)  # which holds this iterator, where workers persist
        self._ahead, self._keep = loader.prefetch_factor * loader.num_workers, loader.persistent_workers
        self._processes, self._pipes = _start(loader, seed)
        self._inboxes = [queue.SimpleQueue() for _ in self._pipes]
        wake_reader, wake = multiprocessing.Pipe(duplex=False)
        thread = threading.Thread(
            target=_receive, args=(self._pipes, self._inboxes, wake_reader), name="nncore DataLoader", daemon=True
        )
        thread.start()
        # Runs when the iterator is deleted, when it is used up, and at interpreter exit; it must not refer to self.
        self._close = weakref.finalize(self, _shut_down, os.getpid(), self._processes, self._pipes, wake, thread)
        self.restart(indices)

    def restart(self, indices) -> None:
        self._epoch += 1
        self._indices = iter(indices)
        self._pending: deque[int] = deque()  # the workers whose answers come next, in order
        self._active = deque(range(len(self._pipes)))
        for worker in self._active:
            self._send(worker, self._epoch)
        for _ in range(self._ahead):
            self._dispatch()

    def __iter__(self):
        return self

    def __len__(self) -> int:
        loader = self._loader()
        if loader is None:
            raise TypeError("the DataLoader of this iterator is gone, and with it the number of batches")
        return len(loader)

    def __next__(self):
        while self._pending:
            worker = self._pending.popleft()
            kind, data = self._take(worker)
            if kind == _EXHAUSTED and worker in self._active:
                self._active.remove(worker)
            self._dispatch()
            if kind == _RESULT:
                return data
            if kind == _ERROR:
                raise _revive(*data)
        if not self._keep:
            self._close()
        raise StopIteration

    def _dispatch(self) -> None:
        """Gives the next batch to the next worker in turn (one whose stream has ended is no longer among them)."""
        if not self._active:
            return
        try:
            batch = next(self._indices)
        except StopIteration:
            return
        worker = self._active[0]
        self._active.rotate(-1)
        self._send(worker, (batch,))
        self._pending.append(worker)

    def _send(self, worker: int, task) -> None:
        with contextlib.suppress(
            OSError
        ):  # the worker is dead: `_take` says so, after the batches that it still delivered
            self._pipes[worker].send(task)

    def _take(self, worker: int):
        """The next answer of this epoch from one worker."""
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else float("inf")
        while True:
            alive = self._processes[worker].is_alive()  # asked before the inbox is: what came before the end counts
            try:
                message = self._inboxes[worker].get(timeout=min(_POLL_S, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if not alive:
                    self._fail(worker)
                if time.monotonic() >= deadline:
                    raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
                continue
            if message is None:
                self._fail(worker)
            epoch, kind, data = ForkingPickler.loads(message)
            if epoch == self._epoch:  # else it is left over from an epoch that was not read to its end
                return kind, data

    def _fail(self, worker: int) -> None:
        process = self._processes[worker]
        process.join(_GRACE_S)
        pid, code = process.pid, process.exitcode
        self._pending.clear()
        self._close()
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        raise RuntimeError(f"DataLoader: worker process {worker} (pid {pid}) exited unexpectedly ({how})")

    @property
    def closed(self) -> bool:
        return not self._close.alive


def _start(loader, seed: int):
    context = loader.multiprocessing_context
    processes, pipes = [], []
    for number in range(loader.num_workers):
        ours, theirs = context.Pipe()
        _parent_ends.add(ours)
        info = WorkerInfo(number, loader.num_workers, seed + number, loader.dataset)
        process = context.Process(
            target=_work,
            args=(theirs, info, loader.make_fetcher, loader.worker_init_fn),
            name=f"nncore DataLoader worker {number}",
            daemon=True,
        )
        try:
            process.start()
        except BaseException:
            _shut_down(os.getpid(), processes, [*pipes, ours])
            raise
        finally:
            theirs.close()
        processes.append(process)
        pipes.append(ours)
    return processes, pipes


def _receive(pipes, inboxes, wake) -> None:
    """The thread: moves whatever the workers have sent into their inboxes, and None when a pipe has ended."""
    inbox_of = dict(zip(pipes, inboxes, strict=True))
    with wake:
        while inbox_of:
            for ready in wait([*inbox_of, wake]):
                if ready is wake:
                    return
                try:
                    inbox_of[ready].put(ready.recv_bytes())
                except (EOFError, OSError):
                    inbox_of.pop(ready).put(None)


def _shut_down(owner: int, processes, pipes, wake=None, thread=None) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the iterator was deleted: the workers are not its children
    if wake is not None:
        with contextlib.suppress(OSError):  # the thread is gone already when all workers are
            wake.send_bytes(b"stop")
        wake.close()
        if thread is not threading.current_thread():  # where the garbage collector happened to run in it
            thread.join(_GRACE_S)
    for pipe in pipes:
        _parent_ends.discard(pipe)
        pipe.close()
    deadline = time.monotonic() + _GRACE_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.terminate()
            process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()


class _Text(str):
    """A message whose repr is itself: KeyError prints the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _revive(kind: type, text: str) -> BaseException:
    try:
        return kind(_Text(text) if issubclass(kind, KeyError) else text)
    except Exception:  # a class whose constructor takes something else
        return RuntimeError(text)
