"""Data sets for the DataLoader tests, in a module of their own: the start method `spawn` imports them by name."""

import os
import random
import signal
import time

import numpy as np

from nncore.data import Dataset, IterableDataset, get_worker_info


class Rows(Dataset):
    """Item i is (an array of three i, i)."""

    def __init__(self, length=37):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return np.full(3, index, np.float32), index


class Pids(Rows):
    """Item i is the process that fetched it."""

    def __getitem__(self, index):
        return os.getpid()


class Seeds(Rows):
    """What a worker was told and what its generators say."""

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed, random.random(), float(np.random.rand())


class Fails(Rows):
    """Item 5 raises what `make` gives."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __getitem__(self, index):
        if index == 5:
            raise self.make()
        return index


class Dies(Rows):
    """Item 5 ends its process, in one of two ways."""

    def __init__(self, by_signal):
        super().__init__()
        self.by_signal = by_signal

    def __getitem__(self, index):
        if index == 5:
            if self.by_signal:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(3)
        return index


class Sleeps(Rows):
    """Item 5 takes very long."""

    def __getitem__(self, index):
        if index == 5:
            time.sleep(60)
        return index


class Unpicklable(Rows):
    """Samples that cannot leave their process."""

    def __getitem__(self, index):
        return lambda: index


class Large(Rows):
    """Samples far larger than what a pipe holds."""

    def __getitem__(self, index):
        return np.full(300_000, index, np.float64)


class Stream(IterableDataset):
    """0 to length - 1; with workers each has the numbers of its own remainder."""

    def __init__(self, length=10):
        self.length = length

    def __len__(self):
        return self.length

    def __iter__(self):
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(start, self.length, step))


class NeedsTwoError(Exception):
    """An exception that cannot be made from one message."""

    def __init__(self, first, second):
        super().__init__(first, second)


def fail_key():
    return KeyError("the key")


def fail_value():
    return ValueError("item 5 is bad")


def fail_two():
    return NeedsTwoError("one", "two")


def add_thousand(samples):
    return [sample[1] + 1000 for sample in samples]


def init_env(worker):
    os.environ["NNCORE_TEST_WORKER"] = str(worker)


def fail_init(worker):
    raise ValueError(f"worker {worker} cannot start")


class Environment(Rows):
    def __getitem__(self, index):
        return os.environ.get("NNCORE_TEST_WORKER", "none")
