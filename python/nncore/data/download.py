"""Finding the four IDX files of a data set: in a folder, in the cache, or from the network with a checksum."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from .idx import IdxError, read_bytes

_TIMEOUT_S = 20.0
_LIMIT_BYTES = 64 * 1024 * 1024  # a mirror that sends more than this sends something else


class Source(NamedTuple):
    """Where a data set comes from: its files with the SHA-256 of their *uncompressed* content, so that one sum
    holds for every packing (Debian's gzip files differ from the authors' in their headers), and its mirrors."""

    name: str
    torchvision: str  # the folder that torchvision would make for it
    sha256: dict[str, str]
    mirrors: tuple[str, ...]
    system_folder: Path | None = None  # where a distribution's package puts the files
    package: str | None = None


class DatasetNotFoundError(FileNotFoundError):
    """The data set is in none of the places looked at and could not be downloaded; the message says what to do."""


def cache_folder(name: str) -> Path:
    """`$NNCORE_DATA/name`, else `$XDG_CACHE_HOME/nncore/name`, else `~/.cache/nncore/name`."""
    if own := os.environ.get("NNCORE_DATA"):
        return Path(own).expanduser() / name
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "nncore" / name


def find_file(folder: Path, name: str) -> Path | None:
    """The IDX file `name`, plain or with `.gz`, in `folder`; also in the older spelling `-images.idx3`."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / (spelling + suffix)
            if path.is_file():
                return path
    return None


def locate(source: Source, files: list[str], root: str | os.PathLike | None, download: bool) -> list[Path]:
    """The paths of `files`. A folder given is the only place looked at; without one it is the distribution's place,
    then the cache, then (with `download`) the mirrors, which fill the cache."""
    if root is not None:
        top = Path(root).expanduser()
        folders = [top, top / source.name, top / source.torchvision / "raw"]
    else:
        folders = [source.system_folder] if source.system_folder else []
        folders.append(cache_folder(source.name))
    for folder in folders:
        paths = [find_file(folder, name) for name in files]
        if all(paths):
            return paths
    if root is not None or not download:
        raise DatasetNotFoundError(_explain(source, folders, None))
    try:
        return [_download(source, name, folders[-1]) for name in files]
    except _DownloadError as error:
        raise DatasetNotFoundError(_explain(source, folders, str(error))) from None


class _DownloadError(Exception):
    pass


def _download(source: Source, name: str, folder: Path) -> Path:
    """One file from the first mirror that has it whole. It is written beside its place and renamed when its sum
    is right, so that neither an interruption nor a second process ever leaves half a file there."""
    present = find_file(folder, name)
    if present:
        return present
    failures = []
    temporary = folder / f".{name}.{os.urandom(4).hex()}.part"
    for mirror in source.mirrors:
        url = f"{mirror}/{name}.gz"
        print(f"{source.name}: downloading {url}", file=sys.stderr)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "wb")  # noqa: SIM115 (an error here is not the mirror's)
        except OSError as error:
            raise _DownloadError(f"cannot write to {folder}: {error.strerror}") from None
        try:
            with file:
                _transfer(url, file)
            _check(temporary, source.sha256[name])
            os.replace(temporary, folder / f"{name}.gz")
            return folder / f"{name}.gz"
        except (_DownloadError, IdxError, OSError) as error:
            failures.append(f"{url}: {error}")
        finally:
            temporary.unlink(missing_ok=True)
    raise _DownloadError("; ".join(failures))


def _check(path: Path, expected: str) -> None:
    import hashlib

    found = hashlib.sha256(read_bytes(path)).hexdigest()
    if found != expected:
        raise _DownloadError(f"SHA-256 of the content is {found}, expected {expected}")


def _transfer(url: str, file, limit: int = _LIMIT_BYTES) -> None:
    from http.client import HTTPException  # urllib takes 30 ms to import, and few runs need it
    from urllib.request import Request, urlopen

    received = 0
    try:
        with urlopen(Request(url, headers={"User-Agent": "nncore"}), timeout=_TIMEOUT_S) as response:
            while block := response.read(1 << 16):
                received += len(block)
                if received > limit:
                    raise _DownloadError(f"the answer is longer than {limit >> 20} MiB")
                file.write(block)
    except HTTPException as error:  # a connection that breaks off midway is no OSError
        raise _DownloadError(f"the connection broke off ({error!r})") from None


def _explain(source: Source, folders: list[Path], failure: str | None) -> str:
    files = ", ".join(f"{name}.gz" for name in source.sha256)
    lines = [f"{source.name}: the data set was not found.", "Looked in:", *(f"  {folder}" for folder in folders)]
    if failure:
        lines.append(f"The download failed: {failure}")
    ways = [
        f"give the folder that has its files ({files}; .gz or unpacked): --data-dir DIR on the command line, "
        f"root=DIR in Python. They can be fetched by hand from {source.mirrors[0]}/",
        "run once with network and without a folder: they are downloaded, checked and kept in "
        f"{cache_folder(source.name)} (the environment variable NNCORE_DATA names another place)",
    ]
    if source.package:
        ways.insert(0, f"install the system package: apt install {source.package}  (Debian, Ubuntu)")
    lines += ["What to do, any of:", *(f"  {number}. {way}" for number, way in enumerate(ways, 1))]
    return "\n".join(lines)
