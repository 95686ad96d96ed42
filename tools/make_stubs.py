"""Writes the type stubs that cannot be written by hand: python tools/make_stubs.py [--check]

    _core.pyi      the native module, by pybind11-stubgen
    tensor.pyi     Tensor with the methods that `tensor_method` and `inplace_method` give it
    __init__.pyi   the public names of the package, each with the module that it comes from

tests/test_stubs.py keeps them in step with the code.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import nncore
from nncore import _core

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "nncore"
BUILTIN_TYPES = re.compile(r"(?<![\w.])(bool|float|int|str|tuple|list|dict|object|type|slice)(?![\w.])")
KNOWN = {
    "Any",
    "Callable",
    "RemovableHandle",
    "Sequence",
    "Size",
    "Tensor",
    "Iterator",
    "None",
    "_core",
    "autograd",
    "np",
}
ATTRIBUTES = {"_array": "_core.Array", "_index": "builtins.int", "_requires_grad": "builtins.bool"}
DECORATOR = """
_F = TypeVar("_F", bound=Callable[..., Any])
@overload
def tensor_method(function: _F, *, name: str | None = None) -> _F: ...
@overload
def tensor_method(function: None = None, *, name: str | None = None) -> Callable[[_F], _F]: ...
"""


def native() -> str:
    """The stub of the native module."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "nncore._core", "-o", folder]
        environment = {"PYTHONPATH": str(Path(nncore.__file__).parent.parent)}
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
        text = (Path(folder) / "nncore" / "_core.pyi").read_text()
    text = re.sub(r"numpy\.dtype\[typing\.Any\]", "_DType", text)
    text = re.sub(r"^import numpy\n", "import builtins\n", text, flags=re.M)
    # Attributes named `device`, `dtype` and `bool` hide the types of that name inside of a class.
    text = re.sub(r"-> (device|dtype):", lambda m: f"-> _{'DType' if m[1] == 'dtype' else 'Device'}:", text)
    text = re.sub(r"(?<=[:>] )device(?=[,)])", "_Device", text)
    text = re.sub(r"(-> |: )bool\b", r"\1builtins.bool", text)
    # Build facts differ from build to build: only their type belongs here.
    text = re.sub(r"^(build_flags|compiler|version): str = .*$", r"\1: str", text, flags=re.M)
    text = re.sub(r"^(\w+): dtype\b.*$", r"\1: _DType", text, flags=re.M)
    return text + "_DType: typing.TypeAlias = dtype\n_Device: typing.TypeAlias = device\n"


def annotation(text: str) -> str:
    """An annotation as it can stand in the class: builtins by their full name, unknown names as Any."""
    names = {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    builtin = {n for n in names if BUILTIN_TYPES.fullmatch(n)}
    if names - builtin - KNOWN:
        return "Any"
    return BUILTIN_TYPES.sub(r"builtins.\1", text)


def default(value: object) -> str:
    """A default as it can stand in a stub."""
    plain = isinstance(value, (bool, int, float, str, type(None))) and value == value
    return repr(value) if plain else "..."


def signature(function, returns: str | None = None) -> str:
    """The parameters and the result of a function, in the words of a stub."""
    parts, star = [], False
    parameters = list(inspect.signature(function).parameters.values())
    for i, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        star = star or p.kind is p.VAR_POSITIONAL
        kind = "" if i == 0 or p.annotation is p.empty else f": {annotation(str(p.annotation))}"
        value = "" if p.default is p.empty else f" = {default(p.default)}" if kind else f"={default(p.default)}"
        parts.append(f"{'self' if i == 0 else prefix + p.name}{kind}{value}")
    result = inspect.signature(function).return_annotation
    result = returns if result is inspect.Signature.empty else annotation(str(result))
    return f"({', '.join(parts)})" + (f" -> {result}" if result else "")


def attached_methods() -> list[str]:
    """The methods of Tensor that other modules gave it."""
    lines = []
    for name, member in sorted(vars(nncore.Tensor).items()):
        if isinstance(member, types.FunctionType) and member.__module__ != "nncore.tensor":
            returns = "Tensor" if name.startswith("__") or name.endswith("_") else None
            lines.append(f"    def {name}{signature(member, returns)}: ...")
        elif isinstance(member, property) and member.fget and member.fget.__module__ != "nncore.tensor":
            lines += ["    @property", f"    def {name}{signature(member.fget, 'Tensor')}: ..."]
    return lines


class _Bodies(ast.NodeTransformer):
    """Takes out what a stub does not say: bodies, docstrings, values."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Expr(ast.Constant(...))]
        arguments = node.args
        for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if a is not None and a.annotation is not None:
                a.annotation = ast.parse(annotation(ast.unparse(a.annotation)), mode="eval").body
        if node.returns is not None:
            node.returns = ast.parse(annotation(ast.unparse(node.returns)), mode="eval").body
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        fields: dict[str, str] = {}
        for statement in ast.walk(node):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Attribute):
                fields[statement.target.attr] = annotation(ast.unparse(statement.annotation))
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute):
                target = statement.targets[0]
                of_self = getattr(target.value, "id", None) == "self"
                fields |= (
                    {target.attr: ATTRIBUTES.get(target.attr, "Any")} if of_self and target.attr not in fields else {}
                )
        keep = [s for s in node.body if isinstance(s, ast.FunctionDef)]
        aliases = [s for s in node.body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Name)]
        node.body = [ast.parse(f"{name}: {kind}").body[0] for name, kind in fields.items()]
        node.body += [self.visit(s) for s in keep] + aliases or [ast.Expr(ast.Constant(...))]
        return node


def tensor() -> str:
    """The stub of nncore.tensor, with the attached methods in Tensor."""
    tree = ast.parse((PACKAGE / "tensor.py").read_text())
    out = [
        "import builtins",
        "from collections.abc import Callable, Iterator, Sequence",
        "from typing import Any, TypeVar, overload",
        "",
        "import numpy as np",
        "",
        "from nncore import _core, autograd",
        "",
    ]
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            out.append(f"{statement.targets[0].id}: Any")
        elif getattr(statement, "name", "") == "tensor_method":
            out.append(DECORATOR)
        elif isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            out.append(
                ast.unparse(ast.fix_missing_locations(_Bodies().visit(statement))).replace("\n        ...", " ...")
            )
            if isinstance(statement, ast.ClassDef) and statement.name == "Tensor":
                out += attached_methods()
    return "\n".join(out) + "\n"


def public_names() -> str:
    """The stub of the package: every public name, imported from where it is made."""
    lines = set()
    facts = []
    text = (PACKAGE / "__init__.py").read_text()
    imported = {a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) for a in n.names}
    for name, value in vars(nncore).items():
        if name.startswith("_") and name != "__version__":
            continue
        if isinstance(value, types.ModuleType):
            if value.__name__ == f"nncore.{name}" and name in imported:
                lines.add(f"from nncore import {name} as {name}")
        elif isinstance(value, _core.dtype):
            facts.append(f"{name}: dtype")
        elif callable(value):
            home = importlib.import_module(value.__module__)
            own = next((n for n in (value.__name__, name) if getattr(home, n, None) is value), None)
            if own is not None:
                lines.add(f"from {value.__module__} import {own} as {name}")
        else:
            facts.append(f"{name}: {type(value).__name__}")
    return "\n".join([*sorted(lines), "", *sorted(facts)]) + "\n"


STUBS = {"_core.pyi": native, "tensor.pyi": tensor, "__init__.pyi": public_names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a stub is out of step")
    check = parser.parse_args().check
    stale = 0
    for name, make in STUBS.items():
        path, text = PACKAGE / name, make()
        if not path.exists() or path.read_text() != text:
            stale += 1
            print(f"{name} is out of step" if check else f"wrote {name}")
            if not check:
                path.write_text(text)
    return int(check and stale > 0)


if __name__ == "__main__":
    raise SystemExit(main())
