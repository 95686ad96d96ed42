"""The emulation of CUDA on the CPU: right kernels pass in every order of threads, and each mistake of
emulation_test.cpp is found, by the build that is there to find it and with the words that say what is wrong."""

import pytest

from cuda_on_cpu.kernel_program import run

SOURCES = ["tests/cuda_on_cpu/emulation_test.cpp"]

# case: the kind of build that finds its mistake, and what it then says (nothing: the result is wrong)
CASES = {
    "barrier": ("race", "race"),
    "bound": ("address", "AddressSanitizer: use-after-poison"),
    "divergent": ("plain", "divergent __syncthreads"),
    "exit": ("plain", "have exited"),
    "uninitialised": ("plain", ""),
    "warp": ("plain", "deadlock|divergent warp"),
    "atomic": ("race", "race"),
    "cp.async": ("plain", ""),
    "phase": ("plain", ""),
    "few bytes": ("plain", ""),
    "many bytes": ("plain", "deadlock"),
    "release": ("race", "race"),
    "stream": ("plain", ""),
    "refused": ("plain", ""),
}


@pytest.mark.parametrize("kind", ["plain", "race", "address"])
def test_right_kernels_pass(builders, kind):
    program = builders(kind).program(SOURCES)
    for case in [*CASES, "host"]:
        result = run(program, case)
        assert result.returncode == 0, f"{case}: {result.stdout}{result.stderr}"


@pytest.mark.parametrize("case", CASES)
def test_seeded_mistakes_are_found(builders, case):
    kind, words = CASES[case]
    result = run(builders(kind).program(SOURCES), case, "seeded")
    assert result.returncode > 0
    assert any(word in result.stderr for word in words.split("|")), result.stderr


def test_the_host_cannot_touch_device_memory(builders):
    assert run(builders("plain").program(SOURCES), "host", "seeded").returncode < 0
