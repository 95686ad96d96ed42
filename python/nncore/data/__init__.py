"""Data loading, in the manner of torch.utils.data: data sets, samplers, the DataLoader and its workers; transforms of
images, splits for cross-validation, and categories as numbers."""

from . import datasets, transforms
from .collate import default_collate, default_convert
from .dataloader import DataLoader
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    TransformedDataset,
    random_split,
)
from .encoding import TargetEncoder, multi_hot
from .folder import ImageFolder
from .folds import KFold, StratifiedKFold
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
    "ImageFolder",
    "IterableDataset",
    "KFold",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "StratifiedKFold",
    "Subset",
    "SubsetRandomSampler",
    "TargetEncoder",
    "TensorDataset",
    "TransformedDataset",
    "WeightedRandomSampler",
    "datasets",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "multi_hot",
    "random_split",
    "transforms",
]


def get_worker_info():
    """In a DataLoader worker its `id`, `num_workers`, `seed` and `dataset`; None in the main process."""
    import sys

    workers = sys.modules.get(f"{__name__}.workers")  # not loaded: there is no worker, and this process is none
    return workers.get_worker_info() if workers else None
