"""What a program sees where no GPU can be used: no error before it asks for one, then one that says what is missing."""

import subprocess
import sys

import pytest

import nncore as nc

pytestmark = pytest.mark.skipif(nc.cuda.is_available(), reason="there is a GPU")


def test_the_reason_is_kept_and_told():
    reason = nc.cuda.unavailable_reason()
    assert any(what in reason for what in ("no CUDA backend", "driver", "no NVIDIA GPU"))
    assert nc.cuda.unavailable_reason() == reason
    assert nc.cuda.device_count() == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda: nc.zeros(2, device="cuda"),
        lambda: nc.ones(2).to("cuda"),
        lambda: nc.ones(2).cuda(),
        lambda: nc.nn.Linear(2, 2).to("cuda:1"),
        lambda: nc.Generator("cuda"),
        lambda: nc.cuda.Stream(),
        lambda: nc.cuda.synchronize(),
        lambda: nc.cuda.get_device_name(0),
        lambda: nc.cuda.memory_allocated(),
        lambda: nc.cuda.set_device(0),
    ],
)
def test_what_needs_a_gpu_says_why_there_is_none(use):
    with pytest.raises(RuntimeError, match=r"device cuda:[01] is not available: ") as error:
        use()
    assert nc.cuda.unavailable_reason() in str(error.value)


def test_what_needs_none_works():
    nc.cuda.manual_seed(0)
    nc.cuda.manual_seed_all(0)
    nc.cuda.empty_cache()
    assert nc.cuda.current_device() == 0
    assert not nc.ones(1).is_cuda


def test_the_emulation_is_asked_for_by_name():
    program = "import nncore as nc; print(nc.cuda.unavailable_reason())"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**_environment(), "NNCORE_CUDA_EMULATION": "0"},
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == nc.cuda.unavailable_reason()


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name != "NNCORE_CUDA_EMULATION"}
