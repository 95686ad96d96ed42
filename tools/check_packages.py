"""Looks at a built sdist and wheel: what is in them, how large they are, and how the native module was compiled.

python tools/check_packages.py dist
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

MEBIBYTE = 1 << 20
LARGEST_WHEEL = 5 * MEBIBYTE
WHEEL_MUST_HAVE = ("nncore/__init__.py", "nncore/py.typed", "nncore/_core.pyi", "nncore/data/digits.npz")
WHEEL_MAY_HAVE = re.compile(
    r"nncore/(?:[\w/]+\.pyi?|py\.typed|_core\.[\w-]+\.so|data/digits\.npz|[\w/]+\.md)|nncore-[^/]+\.dist-info/.+"
)
SDIST_MUST_HAVE = ("CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "tests/test_ops.py")
SDIST_MUST_NOT_HAVE = re.compile(r"\.(?:so|o|pyc)$|(?:^|/)(?:build|\.venv|__pycache__)/")


def check_wheel(path: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        module = next((n for n in names if n.endswith(".so")), None)
        native = wheel.read(module) if module else b""
    wrong = [f"misses {name}" for name in WHEEL_MUST_HAVE if name not in names]
    wrong += [f"has a stray file: {name}" for name in names if not WHEEL_MAY_HAVE.fullmatch(name)]
    if path.stat().st_size > LARGEST_WHEEL:
        wrong.append(f"has {path.stat().st_size} bytes, the limit is {LARGEST_WHEEL}")
    if module is None:
        wrong.append("has no native module")
    if b"\0.symtab\0" in native or b".debug_info" in native:
        wrong.append(f"{module} is not stripped")
    size, module_size = path.stat().st_size / MEBIBYTE, len(native) / MEBIBYTE
    print(f"{path.name}: {size:.2f} MiB, {len(names)} files, module {module_size:.2f} MiB")
    return wrong


def check_sdist(path: Path) -> list[str]:
    """What is wrong with a source archive."""
    with tarfile.open(path) as sdist:
        names = [n.partition("/")[2] for n in sdist.getnames()]
    print(f"{path.name}: {path.stat().st_size / MEBIBYTE:.2f} MiB, {len(names)} files")
    wrong = [f"misses {name}" for name in SDIST_MUST_HAVE if name not in names]
    return wrong + [f"has a stray file: {name}" for name in names if SDIST_MUST_NOT_HAVE.search(name)]


def main() -> int:
    folder = Path(sys.argv[1])
    wheels, sdists = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    wrong = [] if wheels and sdists else [f"{folder} has {len(wheels)} wheels and {len(sdists)} sdists"]
    for path in wheels:
        wrong += [f"{path.name} {w}" for w in check_wheel(path)]
    for path in sdists:
        wrong += [f"{path.name} {w}" for w in check_sdist(path)]
    recipe = Path(__file__).resolve().parent.parent / "CMakeLists.txt"
    for number, line in enumerate(recipe.read_text().splitlines(), 1):
        if re.search(r"-march=native|-ffast-math", line.partition("#")[0]):
            wrong.append(f"CMakeLists.txt, line {number} compiles for this machine or with fast math: {line.strip()}")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
