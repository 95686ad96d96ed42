"""The programs in examples/ and the ten lines of the README do what they promise."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import nncore as nc

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("name", "arguments", "least", "most"),
    [
        ("train_mlp", ["--epochs", "3"], 0.8, 1.0),
        ("gradient_penalty", ["--steps", "101"], 0.0, 0.2),
        ("char_rnn", ["--steps", "200"], 0.0, 0.5),
        ("custom_dataset", ["--epochs", "40"], 0.9, 1.0),
        ("transfer_learning", ["--steps", "100"], 0.03, 0.5),
    ],
)
def test_example(name, arguments, least, most, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [name, *arguments])
    assert least <= importlib.import_module(f"examples.{name}").main() <= most
    assert capsys.readouterr().out


def test_ten_lines_of_the_readme(capsys):
    nc.manual_seed(0)
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    first, last = (float(lines[i].split()[1]) for i in (0, -1))
    assert len(lines) == 5
    assert last < 0.5
    assert last < first + 0.1


def test_ways_to_train():
    """The pieces of docs/training.md, one after the other in one program."""
    nc.manual_seed(0)
    code = "".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL))
    exec(compile(code, "training.md", "exec"), {})
