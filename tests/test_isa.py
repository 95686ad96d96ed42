"""The choice of instruction set: from the processor, from NNCORE_ISA, and by name."""

from __future__ import annotations

import os
import shutil
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


# What a machine of that model must do, run by QEMU's emulator of the instructions where it is installed. Its model of
# a Nehalem confuses OpenBLAS's choice of kernels, which OPENBLAS_CORETYPE makes for it.
ON_ANOTHER_MACHINE = """
import numpy as np, nncore as nc
random = np.random.default_rng(0)
x, w = (nc.tensor(random.standard_normal(shape), requires_grad=True) for shape in ((33, 45), (45, 17)))
y = nc.nn.functional.gelu(nc.mm(x, w))
np.testing.assert_allclose(nc.mm(x, w).detach().numpy(), x.detach().numpy() @ w.detach().numpy(), rtol=1e-12)
nc.softmax(y, 1).var().backward()
image = nc.ones(1, 2, 9, 9, requires_grad=True)
nc.nn.functional.max_pool2d(nc.nn.functional.conv2d(image, nc.ones(3, 2, 3, 3)), 2).sum().backward()
assert image.grad.sum().item() == 3 * 9 * 2 * 9
print(",".join(nc.available_isas()), nc.current_isa())
"""


def on_machine(model: str, code: str, **environment: str) -> subprocess.CompletedProcess:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or os.uname().machine != "x86_64":
        pytest.skip("needs qemu-x86_64 (Debian's package qemu-user)")
    if "address" in nc._core.build_flags:
        pytest.skip("AddressSanitizer does not run in the emulator")
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("NNCORE_ISA", "OMP_NUM_THREADS")},
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OPENBLAS_CORETYPE": model,
        **environment,
    }
    interpreter = os.path.realpath(sys.executable)
    return subprocess.run(
        [emulator, "-cpu", model, interpreter, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(("model", "expected"), [("Nehalem", "generic generic"), ("Haswell", "generic,avx2 avx2")])
def test_an_older_machine(model, expected):
    run = on_machine(model, ON_ANOTHER_MACHINE)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == expected


@pytest.mark.parametrize(("model", "name"), [("Nehalem", "avx2"), ("Nehalem", "avx512"), ("Haswell", "avx512")])
def test_an_older_machine_refuses_what_it_lacks(model, name):
    run = on_machine(model, "import nncore", NNCORE_ISA=name)
    assert run.returncode == 1
    assert f"NNCORE_ISA: this machine lacks the instruction set '{name}'" in run.stderr
