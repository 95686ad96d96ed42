"""CIFAR-10 from its two formats, packed and unpacked; checksums; a pickle that would run code."""

import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from nncore.data import cifar, datasets
from nncore.data.cifar import CifarError
from nncore.data.download import DatasetNotFoundError

NAMES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def content(name, count=4):
    random = np.random.default_rng(NAMES.index(name))
    return random.integers(0, 256, (count, 3072), dtype=np.uint8), random.integers(0, 10, count)


def python_file(name):
    data, labels = content(name)
    batch = {b"data": data, b"labels": labels.tolist(), b"batch_label": b"testing", b"filenames": [b"a.png"]}
    return pickle.dumps(batch, protocol=2)


def binary_file(name):
    data, labels = content(name)
    return np.concatenate([labels[:, None].astype(np.uint8), data], 1).tobytes()


def write(folder, version, packed):
    make = python_file if version == "python" else binary_file
    inside, suffix = ("cifar-10-batches-py", "") if version == "python" else ("cifar-10-batches-bin", ".bin")
    files = {f"{inside}/{name}{suffix}": make(name) for name in NAMES}
    if packed:
        with tarfile.open(folder / f"cifar-10-{version}.tar.gz", "w:gz") as archive:
            for name, raw in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(raw)
                archive.addfile(member, io.BytesIO(raw))
    else:
        (folder / inside).mkdir(parents=True)
        for name, raw in files.items():
            (folder / name).write_bytes(raw)


@pytest.fixture
def sums(monkeypatch):
    """The checksums of the files that this test writes."""
    monkeypatch.setattr(
        cifar, "_MD5", {n: hashlib.md5(python_file(n), usedforsecurity=False).hexdigest() for n in NAMES}
    )


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("packed", [False, True])
def test_both_versions(tmp_path, sums, version, packed):
    write(tmp_path, version, packed)
    train, test = (datasets.cifar10(tmp_path, train=part) for part in (True, False))
    assert repr(train) == "ImageDataset(cifar10: 20 images 3x32x32, 10 classes)"
    assert len(test) == 4
    data, labels = content("test_batch")
    np.testing.assert_array_equal(test.data, data.reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(test.targets, labels)
    image, label = test[1]
    assert image.shape == (3, 32, 32)
    np.testing.assert_allclose(image.numpy(), data[1].reshape(3, 32, 32) / 255, rtol=1e-6)
    assert test.classes[label] == cifar._CLASSES[labels[1]]
    inside = tmp_path / ("cifar-10-batches-py" if version == "python" else "cifar-10-batches-bin")
    if not packed:  # the folder itself will do as well
        assert len(datasets.cifar10(inside)) == 20


def test_the_files_are_checked(tmp_path):
    write(tmp_path, "python", packed=False)
    with pytest.raises(CifarError, match=r"data_batch_1: MD5 of the content is .*, expected c99cafc15"):
        datasets.cifar10(tmp_path)


def test_a_pickle_that_would_run_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "run"),))

    for value in (Bomb(), {b"data": Bomb(), b"labels": [1]}):
        with pytest.raises(CifarError, match=r"asks for posix.mkdir, which no CIFAR-10 file needs \(bomb\)"):
            cifar.read_cifar_python(pickle.dumps(value), "bomb")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("read", "raw", "message"),
    [
        (cifar.read_cifar_binary, b"", "x: expected records of 3073 bytes, got 0 bytes"),
        (cifar.read_cifar_binary, b"a" * 3074, "got 3074 bytes"),
        (cifar.read_cifar_binary, b"\x0a" * 3073, "labels go from 10 to 10, expected 0 to 9"),
        (cifar.read_cifar_python, b"junk", "x: not a pickle of CIFAR-10"),
        (cifar.read_cifar_python, pickle.dumps([1]), "expected a dictionary, got list"),
        (cifar.read_cifar_python, pickle.dumps({"data": 1}), r"expected data \[N, 3072\] of uint8"),
        (
            cifar.read_cifar_python,
            pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, protocol=2),
            "expected 2 labels",
        ),
        (cifar.read_cifar_python, pickle.dumps(np.float64(3)), "asks for numpy.*scalar"),
    ],
)
def test_broken_files(read, raw, message):
    with pytest.raises(CifarError, match=message):
        read(raw, "x")


def test_nothing_there(tmp_path, monkeypatch):
    with pytest.raises(DatasetNotFoundError, match=r"(?s)cifar10: the data set was not found.*What to do"):
        datasets.cifar10(tmp_path)
    monkeypatch.setenv("NNCORE_DATA", str(tmp_path / "cache"))
    with pytest.raises(DatasetNotFoundError, match="cache"):
        datasets.cifar10(download=False)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"no archive")
    with pytest.raises(CifarError, match="the archive is broken or lacks a file"):
        datasets.cifar10(tmp_path)


def test_download(tmp_path, monkeypatch, sums, capsys):
    """Through the real client from a file of this machine; then from the cache, without another transfer."""
    write(tmp_path, "python", packed=True)
    archive = tmp_path / "cifar-10-python.tar.gz"
    monkeypatch.setenv("NNCORE_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(cifar, "_URL", archive.as_uri())
    with pytest.raises(DatasetNotFoundError, match=r"The download failed: SHA-256 is .*, expected 6d958be"):
        datasets.cifar10()
    assert list((tmp_path / "cache" / "cifar10").iterdir()) == []
    monkeypatch.setattr(cifar, "_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    assert len(datasets.cifar10()) == 20
    archive.unlink()
    assert len(datasets.cifar10(train=False)) == 4
    assert capsys.readouterr().err.count("cifar10: downloading") == 2
