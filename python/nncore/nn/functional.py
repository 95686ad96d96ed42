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
    logistic,
    logsigmoid,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    slope_sigmoid,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)
from nncore.ops.attention import multi_head_attention_forward, scaled_dot_product_attention
from nncore.ops.conv import conv1d, conv2d, conv3d
from nncore.ops.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from nncore.ops.ctc import ctc_loss
from nncore.ops.distance import cosine_similarity, normalize, pairwise_distance, pdist
from nncore.ops.divergence import (
    gradient_penalty,
    js_div,
    wasserstein_critic_loss,
    wasserstein_distance,
    wasserstein_generator_loss,
)
from nncore.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from nncore.ops.embedding_bag import embedding_bag
from nncore.ops.fold import fold, unfold
from nncore.ops.gemm import bilinear, linear
from nncore.ops.index import embedding, one_hot
from nncore.ops.inplace_activation import celu_, elu_, hardtanh_, leaky_relu_, relu_, rrelu_, selu_, threshold_
from nncore.ops.interpolate import interpolate, upsample, upsample_bilinear, upsample_nearest
from nncore.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from nncore.ops.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from nncore.ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from nncore.ops.norm_local_response import local_response_norm
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
from nncore.ops.random_activation import gumbel_softmax, rrelu
from nncore.ops.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from nncore.ops.softmax_xent import cross_entropy, log_softmax, nll_loss, softmax, softmin
from nncore.ops.unpool import lp_pool1d, lp_pool2d, lp_pool3d, max_unpool1d, max_unpool2d, max_unpool3d
