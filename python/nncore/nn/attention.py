"""Attention of several heads as a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.nn import functional as F
from nncore.nn import init
from nncore.nn.linear import Linear
from nncore.nn.module import Module
from nncore.nn.parameter import Parameter
from nncore.ops.creation import empty

if TYPE_CHECKING:
    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name by which PyTorch prints the last map of an attention layer."""


class MultiheadAttention(Module):
    """Attention of num_heads heads, each over its own linear maps of query, key and value; their results, side by side,
    through a last linear map.

    head_h = softmax(Q_h K_h^T / sqrt(E / heads) + masks) V_h,  y = concat(head_1, ..., head_H) W_out^T + b_out

    query [L, N, E], key [S, N, kdim], value [S, N, vdim]; N first with batch_first, or no N. Masks: True, or -inf, is
    not seen; other numbers are added to the scores: key_padding_mask [N, S], attn_mask [L, S] or [N * heads, L, S].
    is_causal says that attn_mask is causal. Returns y, shaped as query, and with need_weights the weights [N, L, S], or
    [N, heads, L, S] with average_attn_weights False, otherwise None.
    add_bias_kv learns one more key and value, add_zero_attn adds one of zeros. `dropout` drops weights while training.

    Parameters: in_proj_weight [3 E, E] (q_proj_weight [E, E], k_proj_weight [E, kdim], v_proj_weight [E, vdim] where
    kdim or vdim differ from E) from Glorot's uniform distribution, in_proj_bias [3 E] and out_proj.bias 0,
    out_proj.weight as in Linear, bias_k and bias_v [1, 1, E] from Glorot's normal distribution.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> x = nc.ones(5, 2, 8)
    >>> y, weights = nc.nn.MultiheadAttention(8, 4)(x, x, x)
    >>> y.shape, weights.shape
    (nncore.Size([5, 2, 8]), nncore.Size([2, 5, 5]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")

        def parameter(name: str, wanted: bool, *shape: int) -> None:
            self.register_parameter(name, Parameter(empty(*shape, device=device, dtype=dtype)) if wanted else None)

        parameter("q_proj_weight", not self._qkv_same_embed_dim, embed_dim, embed_dim)
        parameter("k_proj_weight", not self._qkv_same_embed_dim, embed_dim, self.kdim)
        parameter("v_proj_weight", not self._qkv_same_embed_dim, embed_dim, self.vdim)
        parameter("in_proj_weight", self._qkv_same_embed_dim, 3 * embed_dim, embed_dim)
        parameter("in_proj_bias", bias, 3 * embed_dim)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        parameter("bias_k", add_bias_kv, 1, 1, embed_dim)
        parameter("bias_v", add_bias_kv, 1, 1, embed_dim)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for one_more in (self.bias_k, self.bias_v):
            if one_more is not None:
                init.xavier_normal_(one_more)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turn = self.batch_first and query.ndim == 3
        if turn:
            # One tensor stays one tensor: its three maps are then one product.
            turned = {id(x): x.transpose(0, 1) if x.ndim == 3 else x for x in (query, key, value)}
            query, key, value = (turned[id(x)] for x in (query, key, value))
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return y.transpose(0, 1) if turn else y, weights
