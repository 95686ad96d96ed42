"""Data loading, in the manner of torch.utils.data: data sets, samplers, the DataLoader and its workers."""

from . import datasets
from .collate import default_collate, default_convert
from .dataloader import DataLoader
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "datasets",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]


def get_worker_info():
    """In a DataLoader worker its `id`, `num_workers`, `seed` and `dataset`; None in the main process."""
    import sys

    workers = sys.modules.get(f"{__name__}.workers")  # not loaded: there is no worker, and this process is none
    return workers.get_worker_info() if workers else None
