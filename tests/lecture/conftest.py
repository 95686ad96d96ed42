"""Runs the programs in examples/lecture as a student does, with --quick, and gives a test the names they define."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

LECTURE = Path(__file__).resolve().parents[2] / "examples" / "lecture"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def lecture(tmp_path, monkeypatch, capsys):
    """lecture(number) runs that program and returns its names, with `printed` and the `pictures` that it saved."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(LECTURE)

    def run(number: int) -> SimpleNamespace:
        (program,) = LECTURE.glob(f"{number:02}_*.py")
        monkeypatch.setattr(sys, "argv", [str(program), str(tmp_path), "--quick"])
        monkeypatch.delitem(sys.modules, "pictures", raising=False)  # it reads the command line when it is imported
        names = runpy.run_path(str(program), run_name="__main__")
        names |= {"printed": capsys.readouterr().out, "pictures": sorted(tmp_path.glob(f"{number:02}_*"))}
        assert names["pictures"], "the program saved no picture"
        for picture in names["pictures"]:
            assert picture.suffix != ".png" or picture.read_bytes().startswith(PNG)
        return SimpleNamespace(**names)

    yield run
    sys.modules.pop("pictures", None)
