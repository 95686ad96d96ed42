import pytest

from cuda_on_cpu.kernel_program import Builder


@pytest.fixture(scope="session")
def builders(tmp_path_factory):
    """builders(kind): one Builder for each kind of build, for all tests."""
    made = {}

    def builder(kind: str) -> Builder:
        if kind not in made:
            made[kind] = Builder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return builder
