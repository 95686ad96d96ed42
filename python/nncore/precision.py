"""How exactly matrices of float32 are multiplied, and convolved, where a device has faster ways than exact ones."""

from nncore import _core


def set_float32_matmul_precision(precision: str) -> None:
    """Allows products of float32 matrices to be computed from rounded factors, which tensor cores do faster.

    "highest", the default, is float32 throughout. "high" allows TensorFloat32: factors of 11 significant bits, relative
    error about 2^-11 each, the sum in float32. "medium" allows bfloat16 factors too; what has no kernel for them is
    computed as "high". Convolutions heed it too. It changes nothing on the CPU, nor for other dtypes than float32. One
    setting for the process.

    Raises RuntimeError where precision is no string, ValueError where it is none of the three.

    >>> nc.set_float32_matmul_precision("high")
    >>> nc.get_float32_matmul_precision()
    'high'
    >>> nc.set_float32_matmul_precision("highest")
    """
    if not isinstance(precision, str):
        raise RuntimeError(f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}")
    _core.set_float32_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """The setting of `set_float32_matmul_precision`.

    >>> nc.get_float32_matmul_precision()
    'highest'
    """
    return _core.get_float32_matmul_precision()
