"""nncore: a small, fast neural-network core.

Kernels in C++ and CUDA under a pure-Python autograd tape and layer API, with the names of PyTorch:

    import nncore as nc
    x = nc.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
"""

from nncore import _core, autograd
from nncore._core import device, dtype
from nncore.autocast_mode import autocast, get_autocast_dtype, is_autocast_enabled
from nncore.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from nncore.ops import operators as _operators  # gives Tensor its operators
from nncore.ops.activation import celu, prelu, relu, selu, sigmoid, tanh
from nncore.ops.compare import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    equal,
    ge,
    greater,
    greater_equal,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
    not_equal,
)
from nncore.ops.conv import conv1d, conv2d, conv3d
from nncore.ops.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
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
from nncore.ops.distance import cdist, cosine_similarity, pairwise_distance, pdist
from nncore.ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
from nncore.ops.elementwise import (
    add,
    addcdiv,
    addcmul,
    arctan2,
    atan2,
    div,
    divide,
    floor_divide,
    fmod,
    lerp,
    maximum,
    minimum,
    mul,
    multiply,
    pow,
    remainder,
    sub,
    subtract,
    true_divide,
    where,
)
from nncore.ops.gemm import addmm, baddbmm, bmm, dot, matmul, mm, mv, outer
from nncore.ops.getitem import index_put
from nncore.ops.index import (
    broadcast_shapes,
    broadcast_tensors,
    gather,
    index_add,
    index_copy,
    index_fill,
    index_select,
    masked_fill,
    masked_select,
    nonzero,
    scatter,
    scatter_add,
    take_along_dim,
)
from nncore.ops.join import (
    cat,
    chunk,
    concat,
    concatenate,
    flip,
    meshgrid,
    repeat_interleave,
    roll,
    split,
    stack,
    tensor_split,
    tile,
    unbind,
)
from nncore.ops.matrices import (
    diag,
    diag_embed,
    tril,
    triu,
)
from nncore.ops.piecewise import hardshrink, threshold
from nncore.ops.pointwise import (
    abs,
    absolute,
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    fix,
    floor,
    neg,
    negative,
    reciprocal,
    round,
    rsqrt,
    sign,
    sqrt,
    square,
    trunc,
)
from nncore.ops.pool import (
    adaptive_avg_pool1d,
    adaptive_max_pool1d,
    avg_pool1d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from nncore.ops.random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from nncore.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumprod,
    cumsum,
    max,
    mean,
    min,
    prod,
    sum,
)
from nncore.ops.rnn import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)
from nncore.ops.shape import (
    broadcast_to,
    diagonal,
    flatten,
    moveaxis,
    movedim,
    narrow,
    permute,
    ravel,
    reshape,
    select,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from nncore.ops.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from nncore.ops.softmax_xent import log_softmax, softmax
from nncore.ops.sort import (
    argsort,
    sort,
    topk,
)
from nncore.ops.statistics import (
    logsumexp,
    norm,
    std,
    std_mean,
    var,
    var_mean,
)
from nncore.ops.transcendental import (
    acos,
    arccos,
    arcsin,
    arctan,
    asin,
    atan,
    cos,
    cosh,
    erf,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    sin,
    sinh,
    tan,
)
from nncore.plans.capture import CaptureError, capture, no_capture
from nncore.precision import get_float32_matmul_precision, set_float32_matmul_precision
from nncore.profiling import profile
from nncore.size import Size
from nncore.tensor import Tensor

float16 = half = dtype.float16
bfloat16 = dtype.bfloat16
float32 = float = dtype.float32
float64 = double = dtype.float64
int32 = int = dtype.int32
int64 = long = dtype.int64
uint8 = dtype.uint8
bool = dtype.bool

get_num_threads = _core.get_num_threads
set_num_threads = _core.set_num_threads
available_isas = _core.available_isas
current_isa = _core.current_isa
use_isa = _core.use_isa
OutOfMemoryError = _core.OutOfMemoryError
memory_stats = _core.memory_stats
empty_cache = _core.empty_cache
reset_peak_memory_stats = _core.reset_peak_memory_stats
__version__ = _core.version

from nncore import data, linalg, nn, optim, testing, utils  # noqa: E402
from nncore.layer_table import summary  # noqa: E402
from nncore.ops.guard import guard_methods as _guard_methods  # noqa: E402
from nncore.ops.guard import guard_public as _guard_public  # noqa: E402
from nncore.serialization import load, save  # noqa: E402

for _namespace in (globals(), vars(nn.functional), vars(linalg)):
    _guard_public(_namespace)
_guard_methods()

_ON_DEMAND = (
    "amp",
    "cuda",
    "models",
    "viz",
)  # subpackages that a program imports by using them, so that `import nncore` stays short


def __getattr__(name: str):
    if name in _ON_DEMAND:
        import importlib

        return importlib.import_module(f"nncore.{name}")
    raise AttributeError(f"module 'nncore' has no attribute {name!r}")
