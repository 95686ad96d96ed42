"""How long loops are cut into parts, and how kernels divide: loops_test.cpp on the host."""

from cuda_on_cpu.kernel_program import run


def test_every_element_is_in_one_part_and_quotients_are_right(builders):
    result = run(builders("address").program(["tests/cuda_on_cpu/loops_test.cpp"]))
    assert result.returncode == 0, result.stdout + result.stderr
