"""nncore.set_float32_matmul_precision, as in PyTorch."""

import numpy as np
import pytest

import nncore as nc


@pytest.fixture(autouse=True)
def restored():
    before = nc.get_float32_matmul_precision()
    yield
    nc.set_float32_matmul_precision(before)


def test_default_is_exact():
    assert nc.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_setting_is_kept_and_changes_nothing_on_the_cpu(precision):
    generator = np.random.default_rng(0)
    a, b = (nc.tensor(generator.normal(size=(40, 40)).astype("float32")) for _ in range(2))
    exact = (a @ b).numpy()
    assert nc.set_float32_matmul_precision(precision=precision) is None
    assert nc.get_float32_matmul_precision() == precision
    np.testing.assert_array_equal((a @ b).numpy(), exact)


def test_wrong_settings_are_refused():
    nc.set_float32_matmul_precision("high")
    with pytest.raises(ValueError, match="expected 'highest', 'high' or 'medium', got 'tf32'"):
        nc.set_float32_matmul_precision("tf32")
    with pytest.raises(RuntimeError, match="set_float32_matmul_precision expects a str, but got int"):
        nc.set_float32_matmul_precision(3)
    assert nc.get_float32_matmul_precision() == "high"
