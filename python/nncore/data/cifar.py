"""CIFAR-10: its two file formats, the places where its files are looked for, and its download.

binary version   records of 3073 bytes: the label, then 32x32 red, green and blue values
Python version   a pickled dictionary with "data" [N, 3072] uint8 and "labels"; read by an unpickler that can make
                 arrays and nothing else, so that a file cannot run code
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import zlib
from pathlib import Path

import numpy as np

from .download import DatasetNotFoundError, _DownloadError, _transfer, cache_folder

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32
_PYTHON, _BINARY = "cifar-10-batches-py", "cifar-10-batches-bin"
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"  # of cifar-10-python.tar.gz
_LIMIT_BYTES = 256 * 1024 * 1024
_MD5 = {  # of the Python version's files, as torchvision lists them
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


class CifarError(ValueError):
    """A file that is not the CIFAR-10 file it should be; the message names the file and what is wrong with it."""


def read_cifar_binary(raw: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 3, 32, 32] uint8 and labels [N] int64 of a file of the binary version; `name` is for messages."""
    if not raw or len(raw) % _RECORD:
        raise CifarError(f"cifar10: {name}: expected records of {_RECORD} bytes, got {len(raw)} bytes")
    records = np.frombuffer(raw, np.uint8).reshape(-1, _RECORD)
    return _checked(records[:, 1:], records[:, 0], name)


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler for dictionaries, lists, strings, numbers and NumPy arrays."""

    def find_class(self, module: str, name: str):
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in old protocols
            return _latin1
        raise CifarError(f"cifar10: the pickle asks for {module}.{name}, which no CIFAR-10 file needs")


def _empty_array(kind, shape, code):
    """What NumPy's own function of this place in a pickle returns."""
    if kind is not np.ndarray:
        raise CifarError("cifar10: the pickle makes an array of another kind")
    return np.ndarray(shape, np.dtype("b"))


def _latin1(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


def read_cifar_python(raw: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 3, 32, 32] uint8 and labels [N] int64 of a file of the Python version; `name` is for messages.

    Raises CifarError for anything else, before any code that the file names could run.
    """
    try:
        batch = _ArrayUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except CifarError as error:
        raise CifarError(f"{error} ({name})") from None
    except Exception as error:  # a pickle can be broken in any way
        raise CifarError(f"cifar10: {name}: not a pickle of CIFAR-10 ({error})") from None
    if not isinstance(batch, dict):
        raise CifarError(f"cifar10: {name}: expected a dictionary, got {type(batch).__name__}")
    batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data, labels = batch.get("data"), batch.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _RECORD - 1:
        raise CifarError(f"cifar10: {name}: expected data [N, 3072] of uint8")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(isinstance(x, int) for x in labels):
        raise CifarError(f"cifar10: {name}: expected {len(data)} labels")
    return _checked(data, np.asarray(labels, np.int64), name)


def _checked(pixels: np.ndarray, labels: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    if labels.size and not 0 <= labels.min() <= labels.max() < len(_CLASSES):
        raise CifarError(f"cifar10: {name}: labels go from {labels.min()} to {labels.max()}, expected 0 to 9")
    return pixels.reshape(-1, 3, 32, 32).copy(), labels.astype(np.int64)


# ---- where the files are ----


def load(root: str | os.PathLike | None, train: bool, download: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one part, from the folder given, or from the cache, which a download fills."""
    names = [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]
    folder = cache_folder("cifar10") if root is None else Path(root).expanduser()
    files = _find(folder, names)
    if files is None and root is None and download:
        _fetch(folder)
        files = _find(folder, names)
    if files is None:
        raise DatasetNotFoundError(_explain(folder))
    parts = [read(raw, where) for read, raw, where in files]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _find(folder: Path, names: list[str]) -> list | None:
    """For each name what reads it, its content, and where it was: unpacked in the folder, or in an archive there."""
    for place in (folder, folder / _PYTHON):
        if all((place / name).is_file() for name in names):
            return [_verified((place / name).read_bytes(), name, str(place / name)) for name in names]
    for place in (folder, folder / _BINARY):
        paths = [place / f"{name}.bin" for name in names]
        if all(path.is_file() for path in paths):
            return [(read_cifar_binary, path.read_bytes(), str(path)) for path in paths]
    for archive in _ARCHIVES:
        if (folder / archive).is_file():
            return _in_archive(folder / archive, names)
    return None


def _verified(raw: bytes, name: str, where: str) -> tuple:
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != _MD5[name]:
        raise CifarError(f"cifar10: {where}: MD5 of the content is {found}, expected {_MD5[name]}")
    return read_cifar_python, raw, where


def _in_archive(path: Path, names: list[str]) -> list:
    """The members are read where they are: nothing is unpacked to the disk."""
    binary = path.name == _ARCHIVES[1]
    files = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for name in names:
                member = f"{_BINARY}/{name}.bin" if binary else f"{_PYTHON}/{name}"
                file = archive.extractfile(member)
                if file is None:
                    raise CifarError(f"cifar10: {path}: {member} is no file")
                raw, where = file.read(), f"{path}:{member}"
                files.append((read_cifar_binary, raw, where) if binary else _verified(raw, name, where))
    except (KeyError, EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise CifarError(f"cifar10: {path}: the archive is broken or lacks a file ({error})") from None
    return files


def _fetch(folder: Path) -> None:
    """The archive of the Python version, checked before it gets its name."""
    import sys

    target = folder / _ARCHIVES[0]
    temporary = folder / f".{target.name}.{os.urandom(4).hex()}.part"
    print(f"cifar10: downloading {_URL}", file=sys.stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            _transfer(_URL, file, _LIMIT_BYTES)
        with open(temporary, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != _SHA256:
            raise _DownloadError(f"SHA-256 is {found}, expected {_SHA256}")
        os.replace(temporary, target)
    except (_DownloadError, OSError) as error:
        raise DatasetNotFoundError(_explain(folder, str(error))) from None
    finally:
        temporary.unlink(missing_ok=True)


def _explain(folder: Path, failure: str | None = None) -> str:
    lines = ["cifar10: the data set was not found.", f"Looked in: {folder} and {_PYTHON} or {_BINARY} in it"]
    if failure:
        lines.append(f"The download failed: {failure}")
    return "\n".join(
        [
            *lines,
            "What to do, any of:",
            f"  1. give the folder that has {_ARCHIVES[0]} or {_ARCHIVES[1]}, packed or unpacked: root=DIR. They can "
            f"be fetched by hand from {_URL.rsplit('/', 1)[0]}/",
            "  2. run once with network and without a folder: the archive is downloaded, checked and kept in "
            f"{cache_folder('cifar10')} (the environment variable NNCORE_DATA names another place)",
        ]
    )
