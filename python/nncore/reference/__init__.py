"""The kernels once more, in plain NumPy: the readable specification that the tests compare with.

One module for each family, with the names of the operations. Speed is no aim here; being obviously right is.
"""

from nncore.reference import (
    attention,
    conv,
    ctc,
    distance,
    divergence,
    elementwise,
    gemm,
    index,
    interpolate,
    loss,
    margin_loss,
    norm,
    optim,
    pool,
    random,
    reduce,
    rnn,
    softmax_xent,
)
