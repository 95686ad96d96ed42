"""IDX files, the image data sets, and the ways to them (folder, cache, download from a server on this machine)."""

import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

import nncore as nc
from nncore.data import augment, datasets, download
from nncore.data.datasets import ImageDataset
from nncore.data.idx import IdxError, read_idx, write_idx

FILES = tuple(datasets._FASHION.sha256)


def images(n, size=28):
    return np.random.default_rng(n).integers(0, 256, (n, size, size), dtype=np.uint8)


def write_dataset(folder: Path, suffix: str = ".gz", train: int = 20, test: int = 10) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", train), ("t10k", test)):
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images(n))
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", np.arange(n, dtype=np.uint8) % 10)
    return folder


# ---- IDX ----


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_round_trip(tmp_path, dtype, suffix):
    for shape in ((), (0,), (3,), (2, 3, 4)):
        array = (np.arange(np.prod(shape, dtype=int)) - 2).astype(dtype).reshape(shape)
        write_idx(tmp_path / f"a{suffix}", array)
        back = read_idx(tmp_path / f"a{suffix}")
        assert back.dtype == array.dtype
        assert back.flags.writeable
        np.testing.assert_array_equal(back, array)


def test_idx_is_big_endian(tmp_path):
    (tmp_path / "a").write_bytes(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 1, 2, 0xFF, 0xFE]))
    assert read_idx(tmp_path / "a").tolist() == [258, -2]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file .*got '89 50 4e 47'"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\x03\0\0\0\x02", r"header is cut off \(8 bytes, 3 dimensions need 16\)"),
        (b"\0\0\x08\x01\0\0\0\x05abc", r"cut off: shape \[5\] of uint8 needs 13 bytes, it has 11"),
        (b"\0\0\x08\x01\0\0\0\x02abc", "too long"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abcde", mtime=0)[:-6], "gzip stream is broken or cut off"),
        (b"\x1f\x8bjunk", "gzip stream is broken"),
    ],
)
def test_idx_errors_name_the_file(tmp_path, raw, message):
    path = tmp_path / "broken-idx"
    path.write_bytes(raw)
    with pytest.raises(IdxError, match=f"broken-idx.*{message}"):
        read_idx(path)


def test_idx_cannot_write(tmp_path):
    with pytest.raises(IdxError, match="no type for int64"):
        write_idx(tmp_path / "a", np.zeros(2, np.int64))


# ---- digits ----


def test_names():
    import nncore.utils.data

    assert nncore.utils.data is nc.data
    assert nc.utils.data.datasets is datasets


def test_digits():
    train, test = datasets.digits(), datasets.digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    assert train.data.shape == (1437, 8, 8)
    assert train.data.dtype == np.uint8
    assert train.data.max() == 16
    for part in (train, test):
        assert min(np.bincount(part.targets, minlength=10)) >= 0.09 * len(part)
    image, label = train[0]
    assert image.shape == (1, 8, 8)
    assert image.dtype == nc.float32
    np.testing.assert_array_equal(image.numpy()[0], train.data[0] / np.float32(16))
    assert label == 0
    assert repr(test) == "ImageDataset(digits: 360 images 8x8, 10 classes)"


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    original = sklearn.load_digits()
    parts = [datasets.digits(train) for train in (True, False)]
    np.testing.assert_array_equal(np.concatenate([part.data for part in parts]), original.images)
    np.testing.assert_array_equal(np.concatenate([part.targets for part in parts]), original.target)


def test_image_dataset_checks_its_arrays():
    labels = np.zeros(4, np.uint8)
    with pytest.raises(IdxError, match=r"images \[4, 8\] of uint8"):
        ImageDataset(np.zeros((4, 8), np.uint8), labels, ("a",), "x")
    with pytest.raises(IdxError, match=r"labels \[4\]"):
        ImageDataset(images(5), labels, ("a",), "x")
    with pytest.raises(IdxError, match="labels go from 0 to 3, expected 0 to 1"):
        ImageDataset(images(4), np.arange(4, dtype=np.uint8), ("a", "b"), "x")


# ---- folders and cache ----


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", [".", "fashion-mnist", "FashionMNIST/raw"])
def test_folder_given(tmp_path, suffix, below):
    write_dataset(tmp_path / below, suffix)
    train, test = (datasets.fashion_mnist(tmp_path, train=part) for part in (True, False))
    assert (len(train), len(test)) == (20, 10)
    np.testing.assert_array_equal(train.data, images(20))
    assert train.classes[9] == "Ankle boot"
    assert train[3][1] == 3


def test_older_spelling(tmp_path):
    write_dataset(tmp_path, "")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert len(datasets.mnist(tmp_path)) == 20


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no folder of a system package, and mirrors that nobody answers."""
    monkeypatch.setenv("NNCORE_DATA", str(tmp_path / "cache"))
    for name in ("_MNIST", "_FASHION"):
        source = getattr(datasets, name)
        lonely = source._replace(system_folder=tmp_path / "system", mirrors=("http://127.0.0.1:9/data",))
        monkeypatch.setattr(datasets, name, lonely)
    return tmp_path / "cache"


def test_system_folder_comes_before_the_cache(cache, tmp_path):
    write_dataset(cache / "fashion-mnist", train=3)
    assert len(datasets.fashion_mnist()) == 3
    write_dataset(tmp_path / "system", train=4)
    assert len(datasets.fashion_mnist()) == 4


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("NNCORE_DATA", "/a")
    assert download.cache_folder("x") == Path("/a/x")
    monkeypatch.delenv("NNCORE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert download.cache_folder("x") == Path("/b/nncore/x")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert download.cache_folder("x") == Path("/c/.cache/nncore/x")


def test_nothing_to_be_had(cache, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        datasets.fashion_mnist()
    text = str(caught.value)
    for part in ("apt install dataset-fashion-mnist", "--data-dir DIR", "root=DIR", "NNCORE_DATA", str(cache)):
        assert part in text
    assert "The download failed: http://127.0.0.1:9/data/train-images-idx3-ubyte.gz: " in text
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert "apt install" not in str(caught.value)
    assert "download failed" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        datasets.mnist(download=False)
    assert not cache.joinpath("mnist").exists()


def test_damaged_file(tmp_path):
    write_dataset(tmp_path, "")
    path = tmp_path / FILES[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IdxError, match="train-images-idx3-ubyte: the file is cut off"):
        datasets.mnist(tmp_path)
    write_idx(path, images(19))
    with pytest.raises(IdxError, match=r"images \[19, 28, 28\] of uint8 and labels \[20\]"):
        datasets.mnist(tmp_path)


# ---- download ----


@pytest.fixture
def mirror(tmp_path, cache, monkeypatch):
    """A server with a small data set in Fashion-MNIST's place; `answers` changes what it says for a path."""
    folder = write_dataset(tmp_path / "served")
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = folder / self.path.rsplit("/", 1)[1]
            status, body, length = answers.get(self.path, (200, path.read_bytes(), None))
            self.send_response(status)
            self.send_header("Content-Length", str(length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    sums = {name: hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() for name in FILES}
    source = datasets._FASHION._replace(sha256=sums, mirrors=(f"{base}/first", f"{base}/second"))
    monkeypatch.setattr(datasets, "_FASHION", source)
    yield answers
    server.shutdown()
    server.server_close()
    thread.join()


def test_download_fills_the_cache(mirror, cache, capsys):
    np.testing.assert_array_equal(datasets.fashion_mnist().data, images(20))
    assert "downloading http://127.0.0.1" in capsys.readouterr().err
    assert sorted(path.name for path in (cache / "fashion-mnist").iterdir()) == [f"{n}.gz" for n in sorted(FILES[:2])]
    datasets.fashion_mnist()
    assert capsys.readouterr().err == ""
    assert len(datasets.fashion_mnist(train=False)) == 10


@pytest.mark.parametrize("answer", [(404, b"gone", None), (200, b"<html>log in</html>", None), (200, b"\x1f\x8b", 99)])
def test_next_mirror(mirror, cache, answer):
    mirror[f"/first/{FILES[0]}.gz"] = answer
    assert len(datasets.fashion_mnist()) == 20


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((503, b"", None), "HTTP Error 503"),
        ((200, b"<html>log in</html>", None), "SHA-256 of the content is .*, expected "),
        ((200, gzip.compress(b"other"), None), "SHA-256 of the content is .*, expected "),
        ((200, gzip.compress(b"other", mtime=0)[:-4], None), "cut off"),
        ((200, b"\x1f\x8b", 1000), "broke off|broken"),
    ],
)
def test_download_that_fails_leaves_nothing(mirror, cache, answer, message):
    mirror[f"/first/{FILES[0]}.gz"] = mirror[f"/second/{FILES[0]}.gz"] = answer
    with pytest.raises(FileNotFoundError, match=message):
        datasets.fashion_mnist()
    assert list((cache / "fashion-mnist").iterdir()) == []


def test_cache_that_cannot_be_written(mirror, cache):
    cache.parent.joinpath("cache").write_text("a file where a folder should be")
    with pytest.raises(FileNotFoundError, match="cannot write to"):
        datasets.fashion_mnist()


# ---- augmentation ----


def test_flip():
    x = np.arange(24).reshape(4, 1, 2, 3)
    np.testing.assert_array_equal(augment.random_flip(x, np.random.default_rng(0), p=1.0), x[..., ::-1])
    np.testing.assert_array_equal(augment.random_flip(x, np.random.default_rng(0), p=0.0), x)
    many = np.arange(2.0)[None, None].repeat(1000, 0)
    assert abs(augment.random_flip(many, np.random.default_rng(0))[:, 0, 0].mean() - 0.5) < 0.08
    assert many[:, 0, 0].sum() == 0  # the input stays


def test_shift():
    x = np.zeros((500, 1, 5, 5), np.float32)
    x[:, :, 2, 2] = 1
    moved = augment.random_shift(x, np.random.default_rng(0), 1)
    assert moved.shape == x.shape
    assert moved.dtype == x.dtype
    np.testing.assert_array_equal(moved.sum(axis=(1, 2, 3)), 1)
    share = moved.mean(0)[0]
    assert share[[0, -1]].max() == share[:, [0, -1]].max() == 0
    np.testing.assert_allclose(share[1:4, 1:4], 1 / 9, atol=0.06)
    np.testing.assert_array_equal(moved, augment.random_shift(x, np.random.default_rng(0), 1))
    np.testing.assert_array_equal(augment.random_shift(x, np.random.default_rng(0), 0), x)
