"""The generated type stubs say what the code says: `python tools/make_stubs.py` writes them."""

from __future__ import annotations

import ast

import pytest

from tools import make_stubs


def names(stub: str) -> dict[str, str]:
    """What a stub declares: each name, and for functions the parameters. How types are spelled depends on versions."""
    found = {}
    for node in ast.walk(ast.parse(stub)):
        for child in ast.iter_child_nodes(node):
            scope = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            if isinstance(child, ast.FunctionDef):
                arguments = child.args
                every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                found[scope + child.name] = ", ".join(a.arg for a in every)
            elif isinstance(child, ast.ImportFrom):
                found |= {alias.asname or alias.name: child.module or "" for alias in child.names}
            elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                found[scope + child.target.id] = "variable"
    return found


@pytest.mark.parametrize("name", make_stubs.STUBS)
def test_stub_is_in_step(name):
    expected = names(make_stubs.STUBS[name]())
    there = names((make_stubs.PACKAGE / name).read_text())
    different = sorted(n for n in expected.keys() | there.keys() if expected.get(n) != there.get(n))
    assert not different, f"run `python tools/make_stubs.py`: {name} is out of step at {different}"
