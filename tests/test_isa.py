"""The choice of instruction set: from the processor, from NNCORE_ISA, and by name."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import nncore as nc


def in_fresh_process(code: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k not in ("NNCORE_ISA", "OMP_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, timeout=120
    )


def test_the_best_available_is_the_default():
    run = in_fresh_process("import nncore as nc; print(nc.current_isa(), nc.available_isas()[-1])")
    assert run.returncode == 0, run.stderr
    chosen, best = run.stdout.split()
    assert chosen == best


@pytest.mark.parametrize("name", nc.available_isas())
def test_environment_chooses(name):
    run = in_fresh_process("import nncore as nc; print(nc.current_isa())", NNCORE_ISA=name)
    assert run.stdout.strip() == name, run.stderr


def test_environment_names_an_unknown_set():
    run = in_fresh_process("import nncore", NNCORE_ISA="sse9")
    assert run.returncode != 0
    assert "NNCORE_ISA: expected one of generic" in run.stderr
    assert "'sse9'" in run.stderr


def test_an_empty_variable_is_none():
    assert in_fresh_process("import nncore", NNCORE_ISA="").returncode == 0


def test_use_isa():
    before = nc.current_isa()
    x = nc.from_numpy(np.linspace(-2, 2, 101, dtype=np.float32))
    try:
        for name in nc.available_isas():
            nc.use_isa(name)
            assert nc.current_isa() == name
            np.testing.assert_array_equal(nc.relu(x).numpy(), np.maximum(x.numpy(), 0))
        with pytest.raises(ValueError, match=r"use_isa: expected one of generic.*got 'mmx'"):
            nc.use_isa("mmx")
        assert nc.current_isa() == name  # a refused choice changes nothing
    finally:
        nc.use_isa(before)


@pytest.mark.parametrize("name", ["avx2", "avx512"])
def test_what_the_machine_lacks_is_refused(name):
    if name in nc.available_isas():
        pytest.skip(f"this machine has {name}")
    with pytest.raises(ValueError, match=name):
        nc.use_isa(name)
