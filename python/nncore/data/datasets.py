"""Image data sets to train on: `digits` comes with the package, `mnist` and `fashion_mnist` are read from IDX files,
`cifar10` from its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import nncore

from .dataset import Dataset
from .download import Source, locate
from .idx import IdxError, read_idx

_DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_FASHION = Source(
    name="fashion-mnist",
    torchvision="FashionMNIST",
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
    system_folder=Path("/usr/share/datasets/fashion-mnist"),
    package="dataset-fashion-mnist",
)
_MNIST = Source(
    name="mnist",
    torchvision="MNIST",
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
)


class ImageDataset(Dataset):
    """Images with one class each. Item `i` is `(image, label)`: float32 [C, H, W] in [0, 1], and an int.

    `data` [N, H, W] (grey, C = 1) or [N, C, H, W], uint8 with its largest value `scale`, `targets` [N] int64 and
    `classes`, the names by label, may be read directly. A DataLoader takes a whole batch from it with one indexing
    operation.
    """

    def __init__(self, data: np.ndarray, targets: np.ndarray, classes: tuple[str, ...], name: str, scale: int = 255):
        if data.ndim not in (3, 4) or data.dtype != np.uint8 or targets.shape != data.shape[:1]:
            raise IdxError(
                f"{name}: expected images [N, H, W] or [N, C, H, W] of uint8 and labels [N], "
                f"got images {list(data.shape)} of {data.dtype} and labels {list(targets.shape)}"
            )
        if targets.size and not 0 <= targets.min() <= targets.max() < len(classes):
            raise IdxError(
                f"{name}: labels go from {targets.min()} to {targets.max()}, expected 0 to {len(classes) - 1}"
            )
        self.data, self.targets = data, targets.astype(np.int64)
        self.classes, self.name, self.scale = classes, name, scale

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int):
        return nncore.from_numpy(self._images(index)), int(self.targets[index])

    def __getbatch__(self, indices):
        indices = np.asarray(indices, dtype=np.int64)
        return [nncore.from_numpy(self._images(indices)), nncore.from_numpy(self.targets[indices])]

    def _images(self, index) -> np.ndarray:
        images = self.data[index] if self.data.ndim == 4 else self.data[index][..., None, :, :]
        return images.astype(np.float32) / np.float32(self.scale)

    def __repr__(self) -> str:
        size = "x".join(str(extent) for extent in self.data.shape[1:])
        return f"ImageDataset({self.name}: {len(self)} images {size}, {len(self.classes)} classes)"


def digits(train: bool = True) -> ImageDataset:
    """1797 handwritten digits, 8x8 pixels with values 0 to 16, that come with the package (no network needed).

    The first 1437 images are the training set, the last 360 the test set: they stand in the order in which they were
    collected, so that most of the test images are by hands that the training set does not show.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, doi:10.24432/C50P49, CC BY 4.0: its test set, as scikit-learn distributes it.

    >>> from nncore.data import datasets
    >>> datasets.digits(), len(datasets.digits(train=False))
    (ImageDataset(digits: 1437 images 8x8, 10 classes), 360)
    """
    with np.load(Path(__file__).with_name("digits.npz")) as stored:
        images, labels = stored["images"], stored["labels"]
    part = slice(0, 1437) if train else slice(1437, None)
    return ImageDataset(images[part], labels[part], _DIGIT_NAMES, "digits", scale=16)


def mnist(root: str | os.PathLike | None = None, train: bool = True, download: bool = True) -> ImageDataset:
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28 pixels.

    Looks for the four IDX files (plain or `.gz`) in the folder `root`; without one in the cache (`$NNCORE_DATA`, else
    `$XDG_CACHE_HOME/nncore`, else `~/.cache/nncore`), and downloads them there, with checksums, when they are missing.

    Raises DatasetNotFoundError (a FileNotFoundError) that says what to do, and IdxError for a damaged file.
    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
    """
    return _load(_MNIST, _DIGIT_NAMES, root, train, download)


def fashion_mnist(root: str | os.PathLike | None = None, train: bool = True, download: bool = True) -> ImageDataset:
    """Fashion-MNIST: 60,000 training and 10,000 test photographs of clothing in 10 classes, 28x28 pixels.

    Looks for the four IDX files as `mnist` does, and before the cache in `/usr/share/datasets/fashion-mnist`,
    where Debian's package `dataset-fashion-mnist` puts them.

    Raises DatasetNotFoundError (a FileNotFoundError) that says what to do, and IdxError for a damaged file.
    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017, arXiv:1708.07747 (MIT licence).
    """
    return _load(_FASHION, _FASHION_NAMES, root, train, download)


def cifar10(root: str | os.PathLike | None = None, train: bool = True, download: bool = True) -> ImageDataset:
    """CIFAR-10: 50,000 training and 10,000 test photographs in 10 classes, 3 colours of 32x32 pixels.

    Looks in the folder `root` for the Python or the binary version, as archive (`cifar-10-python.tar.gz`,
    `cifar-10-binary.tar.gz`) or unpacked; without a folder in the cache, as `mnist` does, and downloads the archive
    there, with its checksum, when it is missing. The Python version's files are checked by their MD5 sums and read by
    an unpickler that makes arrays only.

    Raises DatasetNotFoundError (a FileNotFoundError) that says what to do, and CifarError for a damaged file.
    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    from . import cifar  # tarfile, pickle and hashlib take time to import

    images, labels = cifar.load(root, train, download)
    return ImageDataset(images, labels, cifar._CLASSES, "cifar10")


def _load(source: Source, classes: tuple[str, ...], root, train: bool, download: bool) -> ImageDataset:
    part = "train" if train else "t10k"
    files = [name for name in source.sha256 if name.startswith(part)]
    images, labels = (read_idx(path) for path in locate(source, files, root, download))
    return ImageDataset(images, labels, classes, source.name)
