"""nncore: a small, fast neural-network core.

Kernels in C++ and CUDA under a pure-Python autograd tape and layer API, with the names of PyTorch:

    import nncore as nc
    x = nc.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
"""

from nncore import _core, autograd
from nncore._core import device, dtype
from nncore.autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from nncore.ops.conv import conv1d, conv2d, conv3d
from nncore.ops.convert import clone
from nncore.ops.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    get_default_dtype,
    is_tensor,
    linspace,
    ones,
    ones_like,
    set_default_dtype,
    tensor,
    zeros,
    zeros_like,
)
from nncore.ops.elementwise import add, relu
from nncore.ops.gemm import addmm, baddbmm, bmm, dot, matmul, mm, mv, outer
from nncore.ops.reduce import mean, sum
from nncore.ops.shape import permute, reshape, transpose
from nncore.profiling import profile
from nncore.tensor import Size, Tensor

float32 = float = dtype.float32
float64 = double = dtype.float64
int32 = int = dtype.int32
int64 = long = dtype.int64
uint8 = dtype.uint8
bool = dtype.bool  # noqa: A001

get_num_threads = _core.get_num_threads
set_num_threads = _core.set_num_threads
available_isas = _core.available_isas
current_isa = _core.current_isa
use_isa = _core.use_isa
memory_stats = _core.memory_stats
empty_cache = _core.empty_cache
reset_peak_memory_stats = _core.reset_peak_memory_stats
__version__ = _core.version

from nncore import data, nn, optim, testing, utils  # noqa: E402
from nncore.serialization import load, save  # noqa: E402
