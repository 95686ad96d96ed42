"""The examples in the docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import nncore as nc


def module_names() -> list[str]:
    names = [m.name for m in pkgutil.walk_packages(nc.__path__, "nncore.")]
    return ["nncore", *(n for n in names if not n.endswith(("__main__", "._core")))]


class Finder(doctest.DocTestFinder):
    """Finds operations where they are written, not once more under their public names."""

    def _from_module(self, module, object):
        return not hasattr(object, "__wrapped__") and super()._from_module(module, object)


def examples() -> list[doctest.DocTest]:
    finder = Finder(exclude_empty=True)
    found = []
    for name in module_names():
        scope = {"nc": nc, "np": np, "F": nc.nn.functional}
        found += [t for t in finder.find(importlib.import_module(name), extraglobs=scope) if t.examples]
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda e: e.name)
def test_example(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = nc.get_num_threads(), nc.get_default_dtype(), nc.is_grad_enabled()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    output: list[str] = []
    result = runner.run(example, out=output.append)
    assert result.failed == 0, "".join(output)
    assert (nc.get_num_threads(), nc.get_default_dtype(), nc.is_grad_enabled()) == before
