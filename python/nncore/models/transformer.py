"""Small transformers over tokens: a classifier and a language model."""

import math

from nncore import arange, nn, no_grad, ones, zeros
from nncore.ops.join import cat
from nncore.ops.random import multinomial
from nncore.tensor import Tensor


class PositionalEncoding(nn.Module):
    """Adds to step t of x [..., T, D] the vector that tells its place, and drops out some of the sum:

    p[t, 2i] = sin(t / 10000^(2i / D)),  p[t, 2i + 1] = cos(t / 10000^(2i / D))

    T is at most max_length. Source: Vaswani et al., "Attention is all you need", 2017.

    >>> import nncore as nc
    >>> PositionalEncoding(4, dropout=0.0)(nc.zeros(2, 4))
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """

    def __init__(self, features: int, max_length: int = 1024, dropout: float = 0.1):
        super().__init__()
        turns = arange(max_length).unsqueeze(1) * (arange(0, features, 2) * (-math.log(10000.0) / features)).exp()
        table = zeros(max_length, features)
        table[:, 0::2] = turns.sin()
        table[:, 1::2] = turns[:, : features // 2].cos()
        self.register_buffer("table", table, persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] > self.table.shape[0]:
            raise ValueError(f"PositionalEncoding: expected at most {self.table.shape[0]} steps, got {list(x.shape)}")
        return self.dropout(x + self.table[: x.shape[-2]])


class _TokenEncoder(nn.Module):
    """What both networks share: embedding, places, a stack of encoder layers with the norm first, a last norm."""

    def __init__(self, num_tokens: int, features: int, heads: int, layers: int, dropout: float, max_length: int):
        super().__init__()
        self.features = features
        self.embedding = nn.Embedding(num_tokens, features)
        self.places = PositionalEncoding(features, max_length, dropout)
        layer = nn.TransformerEncoderLayer(
            features, heads, 4 * features, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(features), enable_nested_tensor=False)
        nn.init.normal_(self.embedding.weight, std=features**-0.5)

    def encode(self, tokens: Tensor, mask: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        """States [N, T, features] of tokens [N, T]; True in the mask [T, T] or the padding [N, T] is not seen."""
        x = self.places(self.embedding(tokens) * math.sqrt(self.features))
        return self.encoder(x, mask=mask, src_key_padding_mask=padding)


class TransformerClassifier(_TokenEncoder):
    """Scores of classes for a sequence of tokens: transformer encoder layers, then the mean of the states.

    Shapes: input [N, T] of integers below num_tokens, T at most max_length; with lengths [N] the tokens behind a
    sequence's end are not looked at. Output [N, num_classes].
    Source: Vaswani et al., "Attention is all you need", 2017, the encoder.

    >>> import nncore as nc
    >>> model = TransformerClassifier(num_tokens=10, num_classes=3, features=8, heads=2)
    >>> model(nc.zeros(2, 5, dtype=nc.int64), lengths=nc.tensor([5, 2])).shape
    nncore.Size([2, 3])
    """

    def __init__(
        self,
        num_tokens: int,
        num_classes: int,
        features: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        max_length: int = 1024,
    ):
        super().__init__(num_tokens, features, heads, layers, dropout, max_length)
        self.head = nn.Linear(features, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return self.head(self.encode(tokens).mean(1))
        if tuple(lengths.shape) != (tokens.shape[0],) or not bool(((lengths > 0) & (lengths <= tokens.shape[1])).all()):
            raise ValueError(
                f"TransformerClassifier: expected {tokens.shape[0]} lengths from 1 to {tokens.shape[1]}, got {lengths}"
            )
        lengths = lengths.to(tokens.device)
        outside = arange(tokens.shape[1], device=tokens.device) >= lengths.unsqueeze(1)
        states = self.encode(tokens, padding=outside).masked_fill(outside.unsqueeze(2), 0)
        return self.head(states.sum(1) / lengths.unsqueeze(1))


class TransformerLM(_TokenEncoder):
    """Scores of the next token after every token of a text: transformer layers in which a step sees those before it.

    Shapes: input [N, T] of integers below num_tokens, T at most max_length; output [N, T, num_tokens].
    Source: Radford et al., "Improving language understanding by generative pre-training", 2018.

    >>> import nncore as nc
    >>> TransformerLM(num_tokens=27, features=8, heads=2)(nc.zeros(2, 5, dtype=nc.int64)).shape
    nncore.Size([2, 5, 27])
    """

    def __init__(
        self,
        num_tokens: int,
        features: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        max_length: int = 1024,
    ):
        super().__init__(num_tokens, features, heads, layers, dropout, max_length)
        self.max_length = max_length
        self.head = nn.Linear(features, num_tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        steps = tokens.shape[1]
        later = ones(steps, steps, device=tokens.device).triu(1).bool()
        return self.head(self.encode(tokens, mask=later))

    @no_grad()
    def sample(self, start: Tensor, length: int, temperature: float = 1.0) -> Tensor:
        """`start` [T], followed by `length` tokens drawn from softmax(scores / temperature), given up to max_length
        tokens before. temperature 0 takes the largest score each time."""
        if start.ndim != 1 or len(start) == 0 or temperature < 0:
            raise ValueError(
                f"TransformerLM.sample: expected tokens [T], T > 0, and a temperature of at least 0, got "
                f"{list(start.shape)} and {temperature}"
            )
        was_training = self.training
        self.eval()
        text = start
        for _ in range(length):
            last = self(text[-self.max_length :].unsqueeze(0))[0, -1]
            if temperature == 0:
                text = cat([text, last.argmax().reshape(1)])
            else:
                text = cat([text, multinomial((last / temperature).softmax(0), 1)])
        self.train(was_training)
        return text
