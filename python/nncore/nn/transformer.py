"""Transformers (Vaswani et al., 2017): encoder and decoder layers, stacks of them, and the whole."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from nncore.nn import functional as F
from nncore.nn import init
from nncore.nn.attention import MultiheadAttention
from nncore.nn.container import ModuleList
from nncore.nn.dropout import Dropout
from nncore.nn.linear import Linear
from nncore.nn.module import Module
from nncore.nn.normalization import LayerNorm
from nncore.ops.creation import full
from nncore.ops.matrices import triu

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor


def _activation(activation: str | Callable) -> Callable:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return F.relu if activation == "relu" else F.gelu


def _generate_square_subsequent_mask(sz: int, device: Device = None, dtype: DType = None) -> Tensor:
    return triu(full((sz, sz), -math.inf, dtype=dtype, device=device), diagonal=1)


def _is_causal(mask: Tensor | None, is_causal: bool | None) -> bool:
    """What the caller says; where that is nothing, whether the mask shows to each step those before it and itself."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1] or not mask.is_floating_point():
        return False
    return bool((mask == _generate_square_subsequent_mask(mask.shape[0], mask.device, mask.dtype)).all())


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear maps with an activation between, each with a residual connection and LayerNorm:

    x = norm1(x + attention(x)),  y = norm2(x + linear2(activation(linear1(x)))),

    or, with norm_first, x = x + attention(norm1(x)), y = x + linear2(activation(linear1(norm2(x)))). Dropout follows
    the activation and each branch. activation: "relu", "gelu" or a function.

    src [S, N, d_model], [N, S, d_model] with batch_first, or [S, d_model]; masks as in MultiheadAttention.

    Source: Vaswani et al., "Attention is all you need", 2017; norm_first: Xiong et al., 2020.

    >>> layer = nc.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(nc.ones(3, 5, 8)).shape
    nncore.Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(
                x,
                x,
                x,
                key_padding_mask=src_key_padding_mask,
                need_weights=False,
                attn_mask=src_mask,
                is_causal=is_causal,
            )
            return self.dropout1(y)

        x = src
        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + self._feed_forward(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """num_layers copies of a TransformerEncoderLayer, one after the other, then `norm` where one is given.

    enable_nested_tensor and mask_check are accepted; there are no nested tensors here.

    >>> layer = nc.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
    >>> nc.nn.TransformerEncoder(layer, num_layers=2)(nc.ones(5, 3, 8)).shape
    nncore.Size([5, 3, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        is_causal = _is_causal(mask, is_causal)
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoderLayer(Module):
    """As TransformerEncoderLayer, with attention to a memory between the two parts:

    x = norm1(x + attention(x)),  x = norm2(x + attention(x, memory)),  y = norm3(x + linear2(activation(linear1(x)))),

    or with each norm before its branch where norm_first is set.

    tgt [L, N, d_model], memory [S, N, d_model]; N first with batch_first, or no N. Masks as in MultiheadAttention.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> layer = nc.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(nc.ones(4, 3, 8), nc.ones(5, 3, 8)).shape
    nncore.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

        def look_up(x: Tensor) -> Tensor:
            masks = {
                "attn_mask": memory_mask,
                "key_padding_mask": memory_key_padding_mask,
                "is_causal": memory_is_causal,
            }
            return self.dropout2(self.multihead_attn(x, memory, memory, need_weights=False, **masks)[0])

        x = tgt
        for norm, branch in ((self.norm1, attend), (self.norm2, look_up), (self.norm3, self._feed_forward)):
            x = x + branch(norm(x)) if self.norm_first else norm(x + branch(x))
        return x

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoder(Module):
    """num_layers copies of a TransformerDecoderLayer, one after the other, then `norm` where one is given.

    >>> layer = nc.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> nc.nn.TransformerDecoder(layer, num_layers=2)(nc.ones(4, 3, 8), nc.ones(5, 3, 8)).shape
    nncore.Size([4, 3, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal)
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of src and a decoder of tgt that looks at what the encoder made of it, each with a last LayerNorm.

    src [S, N, d_model], tgt [L, N, d_model], result as tgt; N first with batch_first, or no N. Matrices start from
    Glorot's uniform distribution. custom_encoder and custom_decoder take the places of the two.

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> model = nc.nn.Transformer(8, 2, 1, 1, 16)
    >>> model(nc.ones(5, 3, 8), nc.ones(4, 3, 8)).shape
    nncore.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        where: dict[str, Any] = {"device": device, "dtype": dtype}

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)

        if custom_encoder is None:
            layer = TransformerEncoderLayer(*sizes, **where)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*sizes, **where), num_decoder_layers, norm())
        self.decoder = custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"the batch number of src and tgt must be equal, got {src.shape[batch]} and {tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                "the feature number of src and tgt must be equal to d_model, got "
                f"{src.shape[-1]}, {tgt.shape[-1]} and {self.d_model}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Device = None, dtype: DType = None) -> Tensor:
        """The additive mask [sz, sz] that shows to each step those before it and itself: -inf above the diagonal.

        >>> nc.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device, dtype)
