"""Safetensors files: round trips, files of PyTorch's users, damaged files, whole states."""

import io
import json
import math
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

import nncore as nc
from nncore.serialization import load, load_file, load_metadata, save, save_file

pytest.importorskip("safetensors")

ARRAYS = {
    "f32": np.array([[1.5, -0.0, np.inf], [np.nan, 1e-45, 3.0]], np.float32),
    "f64": np.array([1 / 3, -1e300]),
    "i32": np.array([-(2**31), 2**31 - 1], np.int32),
    "i64": np.array([[-(2**63)], [2**63 - 1]]),
    "u8": np.array([0, 255], np.uint8),
    "bool": np.array([True, False]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
}


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        back = got[name].numpy()
        assert back.dtype == array.dtype, name
        assert back.shape == array.shape, name
        assert back.tobytes() == np.asarray(array, order="C").tobytes(), name


def test_round_trip(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({name: nc.from_numpy(array) for name, array in ARRAYS.items()}, path, metadata={"epoch": "3"})
    assert_same(load_file(path), ARRAYS)
    assert load_metadata(path) == {"epoch": "3"}
    save(ARRAYS, path)
    assert_same(load(path), ARRAYS)
    assert load_metadata(path) == {}


def test_views_are_written_as_they_read(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    views = {
        "t": base.T,
        "f": np.asfortranarray(base),
        "s": base[:, ::2, 1:3],
        "b": np.broadcast_to(base[:1], (5, 3, 4)),
    }
    save_file(views, tmp_path / "w")
    assert_same(load_file(tmp_path / "w"), views)
    save_file({"t": nc.from_numpy(base).permute(2, 0, 1)}, tmp_path / "w")
    assert_same(load_file(tmp_path / "w"), {"t": base.transpose(2, 0, 1)})


def test_gradients_and_sharing_do_not_matter(tmp_path):
    w = nc.tensor([1.0, 2.0], requires_grad=True)
    save_file({"a": w, "b": w}, tmp_path / "w")
    back = load_file(tmp_path / "w")
    assert not back["a"].requires_grad
    assert back["a"].tolist() == back["b"].tolist() == [1, 2]


def test_equal_contents_are_equal_files(tmp_path):
    code = (
        "import sys, numpy as np; from nncore.serialization import save_file\n"
        "save_file({'b': np.ones(3), 'a': np.zeros(2)}, sys.argv[1], {c: c for c in 'hgfedcba'})"
    )
    for name in "xy":
        subprocess.run([sys.executable, "-c", code, tmp_path / name], check=True)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_names():
    assert nc.save is save
    assert nc.load is load


def test_writing_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "w"
    save_file({"a": np.ones(2)}, path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk is gone")))
    with pytest.raises(OSError, match="disk is gone"):
        save_file({"a": np.zeros(2)}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]


def test_state_of_many_kinds(tmp_path):
    state = {
        "state": {0: {"step": 12, "exp_avg": nc.tensor([1.0, 2.0])}, 1: {"step": 3.5, "exp_avg": nc.tensor(4)}},
        "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "amsgrad": False, "params": [0, 1], "name": None}],
        "a.b": nc.tensor([1]),
        "a": {"b": nc.tensor([2])},
        None: [],
        True: {},
        2.5: ((),),
        "odd": [math.inf, -math.inf, "ä\n\"'", np.float32(0.5), np.int64(7)],
    }
    save(state, tmp_path / "s", metadata={"who": "test"})
    back = load(tmp_path / "s")
    assert list(back) == list(state)
    assert back["state"][0]["exp_avg"].tolist() == [1, 2]
    assert back["state"][1]["exp_avg"].shape == ()
    assert back["state"][1]["step"] == 3.5
    assert back["param_groups"] == state["param_groups"]
    assert type(back["param_groups"][0]["betas"]) is tuple
    assert back["a.b"].tolist() == [1]
    assert back["a"]["b"].tolist() == [2]
    assert (back[None], back[True], back[2.5]) == ([], {}, ((),))
    assert back["odd"] == state["odd"]
    assert load_metadata(tmp_path / "s")["who"] == "test"
    save({"nan": math.nan}, tmp_path / "s")
    assert math.isnan(load(tmp_path / "s")["nan"])


@pytest.mark.parametrize("thing", [nc.tensor([1, 2]), [nc.tensor([1, 2])], 3, None, "text", {}, OrderedDict(a=1)])
def test_anything_may_stand_alone(tmp_path, thing):
    save(thing, tmp_path / "s")
    back = load(tmp_path / "s")

    def plain(x):
        if isinstance(x, list):
            return [plain(part) for part in x]
        return x.tolist() if isinstance(x, nc.Tensor) else x

    assert plain(back) == plain(thing)


def test_save_errors(tmp_path):
    with pytest.raises(TypeError, match=r"a\.1 is of type set"):
        save({"a": [0, {1}]}, tmp_path / "s")
    with pytest.raises(TypeError, match="has a key of type tuple"):
        save({(1, 2): 0}, tmp_path / "s")
    with pytest.raises(TypeError, match="'x' is of type int"):
        save_file({"x": 1}, tmp_path / "s")
    with pytest.raises(TypeError, match="names that are strings, got 0"):
        save_file({0: nc.tensor(1)}, tmp_path / "s")
    with pytest.raises(TypeError, match="a dict of tensors, got Tensor"):
        save_file(nc.tensor(1), tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        save({}, tmp_path / "no" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_load_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    path = tmp_path / "w"
    save_file({"a": np.ones(8)}, path)
    whole = path.read_bytes()
    for raw in (b"", b"junk", whole[:-1], whole[:20], whole + b"0"):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match="is no safetensors file, or a damaged one"):
            load(path)
    for raw in (b"PK\x03\x04", b"\x80\x02\x8a\n"):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"a pickle as torch.save writes it"):
            load_file(path)


def raw_file(path, dtype, shape, data):
    """A safetensors file written by hand: 8 bytes of length, a JSON header, the data."""
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


@pytest.mark.parametrize(
    ("dtype", "array", "wide"),
    [
        ("F16", np.array([1.5, -2.0], np.float16), np.float32),
        ("BF16", np.array([0x3FC0, 0xC000], np.uint16), np.float32),
        ("I8", np.array([-1, 2], np.int8), np.int32),
        ("I16", np.array([-1, 2], np.int16), np.int32),
        ("U16", np.array([1, 65535], np.uint16), np.int32),
        ("U32", np.array([1, 2**32 - 1], np.uint32), np.int64),
    ],
)
def test_short_types_are_widened(tmp_path, dtype, array, wide):
    raw_file(tmp_path / "w", dtype, [2], array.tobytes())
    if dtype in ("F16", "BF16"):
        same = load_file(tmp_path / "w")["x"]
        assert (same.dtype, same.tolist()) == (nc.float16 if dtype == "F16" else nc.bfloat16, [1.5, -2.0])
    else:
        with pytest.raises(ValueError, match=f"tensor 'x' has dtype {dtype}, .*widen=True"):
            load_file(tmp_path / "w")
    got = load_file(tmp_path / "w", widen=True)["x"].numpy()
    assert got.dtype == wide
    assert got.tolist() == ([1.5, -2.0] if dtype == "BF16" else array.tolist())


def test_type_that_cannot_be_widened(tmp_path):
    raw_file(tmp_path / "w", "U64", [1], bytes(8))
    with pytest.raises(ValueError, match=r"dtype U64, which nncore has not$"):
        load_file(tmp_path / "w", widen=True)


def test_files_of_pytorch_users(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors import torch as peer

    theirs = {name: torch.from_numpy(array.copy()) for name, array in ARRAYS.items()}
    peer.save_file(theirs, tmp_path / "w", metadata={"format": "pt"})
    assert_same(load_file(tmp_path / "w"), ARRAYS)
    peer.save_file({"h": torch.tensor([1.5]).bfloat16(), "w": torch.ones(2)}, tmp_path / "w")
    got = load(tmp_path / "w", widen=True)
    assert (got["h"].tolist(), got["w"].tolist()) == ([1.5], [1, 1])
    save_file(ARRAYS, tmp_path / "w")
    for name, tensor in peer.load_file(tmp_path / "w").items():
        assert tensor.numpy().tobytes() == ARRAYS[name].tobytes()


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(
        ImportError, match=r"saving weights needs the package safetensors.*pip install 'nncore\[demo\]'"
    ):
        save_file({}, tmp_path / "w")


@pytest.mark.parametrize("thing", [{"w": nc.arange(3)}, {"step": 3, "moments": [nc.ones(2)]}])
def test_open_files(tmp_path, thing):
    buffer = io.BytesIO()
    nc.save(thing, buffer)
    nc.save(thing, tmp_path / "x")
    assert buffer.getvalue() == (tmp_path / "x").read_bytes()
    buffer.seek(0)
    assert repr(nc.load(buffer, weights_only=True)) == repr(thing)
    with open(tmp_path / "x", "rb") as file:
        assert repr(nc.load(file, map_location="cpu")) == repr(thing)
