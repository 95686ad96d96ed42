"""IDX files: the format of MNIST and its relatives.

A header of big-endian numbers, then the values in C order (Y. LeCun, C. Cortes, "The MNIST database"):

    bytes 0-1   zero
    byte  2     type of the values (0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64)
    byte  3     number of dimensions D
    then        D sizes, 4 bytes each
    then        the values
"""

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name).newbyteorder("="): code for code, name in _TYPES.items()}


class IdxError(ValueError):
    """A file that is not the IDX file it should be; the message names the file and what is wrong with it."""


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a plain or gzip-compressed file (told apart by its first bytes, not by its name)."""
    raw = Path(path).read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise IdxError(f"read_idx: {path}: the gzip stream is broken or cut off ({error})") from None


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Reads an IDX file, plain or gzip-compressed, into a NumPy array in the machine's byte order.

    Raises IdxError (a ValueError) where the header is no IDX header or the values do not fill the announced
    shape exactly; FileNotFoundError where there is no file.

    >>> import tempfile, numpy, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> write_idx(path, numpy.array([7, 2, 1], dtype=numpy.uint8))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    return parse_idx(read_bytes(path), os.fspath(path))


def parse_idx(raw: bytes, name: str) -> np.ndarray:
    """`read_idx` for the uncompressed content of a file; `name` is for messages."""
    if len(raw) < 4 or raw[0] != 0 or raw[1] != 0 or raw[2] not in _TYPES:
        raise IdxError(
            f"read_idx: {name}: not an IDX file (expected the bytes 00 00 <type> <dims>, got {raw[:4].hex(' ')!r})"
        )
    dtype, ndim = np.dtype(_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * ndim
    if len(raw) < start:
        raise IdxError(f"read_idx: {name}: the header is cut off ({len(raw)} bytes, {ndim} dimensions need {start})")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", ndim, 4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        what = "cut off" if len(raw) < expected else "too long"
        raise IdxError(
            f"read_idx: {name}: the file is {what}: shape {list(shape)} of {dtype.name} needs {expected} bytes, "
            f"it has {len(raw)}"
        )
    values = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=True)  # frombuffer's array is read-only


def write_idx(path: str | os.PathLike, array: np.ndarray) -> None:
    """Writes an array as an IDX file, gzip-compressed when the name ends in `.gz`."""
    array = np.asarray(array)
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None or array.ndim > 255:
        raise IdxError(f"write_idx: IDX has no type for {array.dtype} arrays of {array.ndim} dimensions")
    header = bytes([0, 0, code, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    raw = header + array.astype(_TYPES[code]).tobytes()
    Path(path).write_bytes(gzip.compress(raw, mtime=0) if os.fspath(path).endswith(".gz") else raw)
