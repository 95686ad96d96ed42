"""Saving and loading: safetensors files, never pickles, so that a file from a stranger can do no harm.

`save_file` and `load_file` are the functions of `safetensors.torch`: a flat dictionary of tensors, in files that both
sides read. `save` and `load` take whole states too, such as an optimizer's, with lists, numbers and nested
dictionaries: the tensors lie in the file as above, and how they belong together stands as JSON in its metadata.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

import nncore
from nncore import _core
from nncore.ops import numpy_view

from .extras import require

_STRUCTURE = "nncore.structure"
_NATIVE = {"F16", "BF16", "F32", "F64", "I32", "I64", "U8", "BOOL"}
_WIDER = {
    "F16": np.float32,
    "BF16": np.float32,
    "I8": np.int32,
    "I16": np.int32,
    "U16": np.int32,
    "U32": np.int64,
}


def save_file(
    tensors: dict[str, Any], filename: str | os.PathLike | IO[bytes], metadata: dict[str, str] | None = None
) -> None:
    """Writes named tensors to a safetensors file, which `safetensors.torch.load_file` reads as well.

    The file appears under its name only when it is whole: it is written beside it and renamed. Raises TypeError for
    names that are no strings or values that are no tensors (NumPy arrays count).

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> save_file({"w": nncore.tensor([1.0, 2.0])}, path, metadata={"epoch": "3"})
    >>> load_file(path), load_metadata(path)
    ({'w': tensor([1., 2.])}, {'epoch': '3'})
    """
    library = require("safetensors.numpy", "saving weights")
    if not isinstance(tensors, dict):
        raise TypeError(f"save_file: expected a dict of tensors, got {type(tensors).__name__}")
    arrays, bfloat16 = {}, set()
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"save_file: expected names that are strings, got {name!r}")
        if not _is_array(tensor):
            raise TypeError(f"save_file: expected tensors, {name!r} is of type {type(tensor).__name__}")
        # The library writes memory as it lies, so arrays must be contiguous; asarray keeps 0-d arrays 0-d.
        arrays[name] = np.asarray(_array(tensor), order="C")
        if _is_bfloat16(tensor):
            bfloat16.add(name)
    raw = library.save(arrays, metadata)
    size = 8 + int.from_bytes(raw[:8], "little")
    header = _rewritten(raw[8:size], bfloat16)
    parts = (len(header).to_bytes(8, "little"), header, memoryview(raw)[size:])
    if hasattr(filename, "write"):
        for part in parts:
            filename.write(part)
        return
    path = Path(filename)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        with open(temporary, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rewritten(header: bytes, bfloat16: set[str]) -> bytes:
    """The header with its metadata in the order of their names: the library's order differs from run to run, and
    equal contents should give equal files. Bits that are bfloat16, which NumPy has not, get their name."""
    entries = json.loads(header)
    for name in bfloat16:
        entries[name]["dtype"] = "BF16"
    if "__metadata__" in entries:
        entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)


def load_file(filename: str | os.PathLike, device: str = "cpu", *, widen: bool = False) -> dict[str, Any]:
    """Reads all tensors of a safetensors file, whoever wrote it.

    Types that nncore does not have raise ValueError. With `widen` they, and those of 16 bits that it has, become the
    next one that holds all their values: F16 and BF16 float32; I8, I16 and U16 int32; U32 int64. Raises ValueError for
    a damaged file.
    """
    with _open(filename) as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (not a dict)
        foreign = {name: kind for name, kind in kinds.items() if kind not in _NATIVE and not (widen and kind in _WIDER)}
        if foreign:
            name, kind = next(iter(foreign.items()))
            advice = "; widen=True reads it as float32 or a wider integer" if kind in _WIDER else ""
            raise ValueError(f"load_file: {filename}: tensor {name!r} has dtype {kind}, which nncore has not{advice}")
        arrays = {name: file.get_tensor(name) for name, kind in kinds.items() if kind != "BF16"}
    if len(arrays) < len(kinds):
        arrays |= _read_bfloat16(filename)
    return {name: _tensor(arrays[name], kind, widen, device) for name, kind in kinds.items()}


@contextlib.contextmanager
def _as_path(file: str | os.PathLike | IO[bytes]):
    """The path of a file, or of a copy of what an open one holds from where it stands."""
    if not hasattr(file, "read"):
        yield file
        return
    import tempfile  # takes a while to import, and is seldom needed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.safetensors"
        path.write_bytes(file.read())
        yield path


def load_metadata(filename: str | os.PathLike) -> dict[str, str]:
    """The strings that a safetensors file carries beside its tensors."""
    with _open(filename) as file:
        return dict(file.metadata() or {})


def save(obj: Any, f: str | os.PathLike | IO[bytes], metadata: dict[str, str] | None = None) -> None:
    """Writes tensors, and dictionaries, lists and tuples of them with numbers, strings and None between, to `f`,
    a path or an open file.

    A flat dictionary of tensors, such as `module.state_dict()`, gives the same file as `save_file`. Raises TypeError
    for anything else, naming the place.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> save({"step": 3, "moments": [nncore.zeros(2), None], 0: (0.5, "adam")}, path)
    >>> load(path)
    {'step': 3, 'moments': [tensor([0., 0.]), None], 0: (0.5, 'adam')}
    """
    metadata = dict(metadata or {})
    if isinstance(obj, dict) and all(isinstance(k, str) and _is_array(v) for k, v in obj.items()):
        save_file(obj, f, metadata or None)
        return
    tensors: dict[str, Any] = {}
    metadata[_STRUCTURE] = json.dumps(_flatten(obj, "", tensors))
    save_file(tensors, f, metadata)


def load(
    f: str | os.PathLike | IO[bytes],
    map_location: str | None = None,
    *,
    weights_only: bool | None = None,
    widen: bool = False,
) -> Any:
    """Reads what `save` wrote, or any safetensors file (then the dictionary of its tensors, see `load_file`).

    f is a path or an open file. weights_only is accepted: nothing else is ever read.
    """
    with _as_path(f) as path:
        structure = load_metadata(path).get(_STRUCTURE)
        tensors = load_file(path, "cpu" if map_location is None else map_location, widen=widen)
    return tensors if structure is None else _unflatten(json.loads(structure), tensors)


def _flatten(obj: Any, place: str, tensors: dict[str, Any]):
    """`obj` as JSON, its tensors moved to `tensors`: numbers, strings and None as they are, else [kind, content]."""
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if _is_array(obj):
        name = place or "tensor"
        while name in tensors:  # {"a.b": t, "a": {"b": t}} spells one name twice
            name += "'"
        tensors[name] = obj
        return ["tensor", name]
    under = f"{place}." if place else ""
    if isinstance(obj, dict):
        for key in obj:
            if not (key is None or isinstance(key, (bool, int, float, str))):
                raise TypeError(f"save: {place or 'the object'} has a key of type {type(key).__name__}: {key!r}")
        return ["dict", [[key, _flatten(value, f"{under}{key}", tensors)] for key, value in obj.items()]]
    if isinstance(obj, (list, tuple)):
        kind = "tuple" if isinstance(obj, tuple) else "list"
        return [kind, [_flatten(value, f"{under}{i}", tensors) for i, value in enumerate(obj)]]
    raise TypeError(
        f"save: expected tensors, numbers, strings, None and containers of them, "
        f"{place or 'the object'} is of type {type(obj).__name__}"
    )


def _unflatten(tree: Any, tensors: dict[str, Any]) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, content = tree
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unflatten(value, tensors) for key, value in content}
    values = [_unflatten(value, tensors) for value in content]
    return tuple(values) if kind == "tuple" else values


def _is_array(value: Any) -> bool:
    return isinstance(value, (nncore.Tensor, np.ndarray))


def _array(tensor: Any) -> np.ndarray:
    if isinstance(tensor, np.ndarray):
        return tensor.view(np.uint16) if _is_bfloat16(tensor) else tensor
    return np.asarray(tensor.detach().cpu()._array) if _is_bfloat16(tensor) else tensor.numpy(force=True)


def _is_bfloat16(tensor: Any) -> bool:
    return numpy_view.is_bfloat16(tensor) if isinstance(tensor, np.ndarray) else tensor.dtype is nncore.bfloat16


def _tensor(array: np.ndarray, kind: str, widen: bool, device: str):
    if kind == "BF16":
        tensor = nncore.Tensor(_core.from_buffer(array, True))
        tensor = tensor.float() if widen else tensor
    else:
        wider = _WIDER.get(kind) if widen else None
        tensor = nncore.from_numpy(array if wider is None else array.astype(wider))
    return tensor if device == "cpu" else tensor.to(device)


def _open(filename: str | os.PathLike):
    library = require("safetensors", "loading weights")
    path = Path(filename)
    with open(path, "rb") as file:  # the system's own error where there is no such file
        start = file.read(4)
    if start[:2] in (b"PK", b"\x80\x02"):
        raise ValueError(
            f"load: {path} is a pickle as torch.save writes it; nncore reads safetensors files only "
            "(safetensors.torch.save_file(state_dict, path) in PyTorch makes one)"
        )
    try:
        return library.safe_open(path, framework="np")
    except library.SafetensorError as error:
        raise ValueError(f"load: {path} is no safetensors file, or a damaged one ({error})") from None


def _read_bfloat16(filename: str | os.PathLike) -> dict[str, np.ndarray]:
    """The bits of a file's BF16 tensors: NumPy has no such type."""
    library = require("safetensors", "loading weights")
    arrays = {}
    for name, entry in library.deserialize(Path(filename).read_bytes()):
        if entry["dtype"] == "BF16":
            arrays[name] = np.frombuffer(entry["data"], "<u2").astype(np.uint16).reshape(entry["shape"])
    return arrays
