"""What the lecture's programs share: where their pictures go, and whether a short run is wanted.

    python examples/lecture/02_forward_by_hand.py [FOLDER] [--quick]

FOLDER takes the pictures, runs/lecture where none is given. --quick trains less, for a first look and for the tests.
In a notebook there is no command line: pictures are shown below the cell and saved too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_NOTEBOOK = "ipykernel" in sys.modules
_parser = argparse.ArgumentParser()
_parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/lecture"), help="where pictures are saved")
_parser.add_argument("--quick", action="store_true", help="train less: a first look")
_options = _parser.parse_args([] if _NOTEBOOK else None)

FOLDER: Path = _options.folder
QUICK: bool = _options.quick


def save(figure, name: str) -> Path:
    """Saves a matplotlib figure as FOLDER/name and says so."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    figure.savefig(path, dpi=110)
    print(f"picture: {path}")
    if _NOTEBOOK:
        from IPython.display import display

        display(figure)
    return path
