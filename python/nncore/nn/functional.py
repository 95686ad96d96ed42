"""Layers and losses as functions, under the names and signatures of torch.nn.functional.

Each is an operation of nncore.ops; this is the list of them.
"""

# ruff: noqa: F401

from nncore.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)
from nncore.ops.conv import conv1d, conv2d, conv3d
from nncore.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from nncore.ops.gemm import bilinear, linear
from nncore.ops.index import embedding, one_hot
from nncore.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from nncore.ops.pad import pad
from nncore.ops.piecewise import hardshrink, hardsigmoid, hardswish, hardtanh, relu6, softshrink, threshold
from nncore.ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from nncore.ops.softmax_xent import cross_entropy, log_softmax, nll_loss, softmax, softmin
