"""For all tests: a kernel that starts before the interpreter lock was released is an error; which device is tested."""

import pytest

import nncore as nc

nc._core.check_interpreter_lock(True)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="where the tests of operations compute: cpu or cuda")


@pytest.fixture(scope="session")
def device(request):
    """The device under test."""
    return request.config.getoption("--device")


def pytest_generate_tests(metafunc):
    """`isa`: each instruction set that the machine has; one, where another device computes."""
    if "isa" in metafunc.fixturenames:
        on_cpu = metafunc.config.getoption("--device") == "cpu"
        metafunc.parametrize("isa", nc.available_isas() if on_cpu else [nc.current_isa()], indirect=True)


@pytest.fixture
def isa(request):
    """The instruction set in use."""
    before = nc.current_isa()
    nc.use_isa(request.param)
    yield request.param
    nc.use_isa(before)
