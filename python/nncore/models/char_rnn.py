"""A recurrent network that reads and writes text, character by character."""

from nncore import nn, no_grad
from nncore.ops.join import cat
from nncore.ops.random import multinomial
from nncore.tensor import Tensor

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class CharRNN(nn.Module):
    """Scores of the next character after every character of a text: embedding, recurrent layers, a linear layer.

    Shapes: input [N, T] of integers below num_tokens; output (scores [N, T, num_tokens], state), where the state, put
    in again, goes on with the text. cell is "rnn", "lstm" or "gru".
    Source: A. Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.

    >>> import nncore as nc
    >>> scores, state = CharRNN(num_tokens=27, hidden=16)(nc.zeros(2, 5, dtype=nc.int64))
    >>> scores.shape
    nncore.Size([2, 5, 27])
    """

    def __init__(
        self,
        num_tokens: int,
        hidden: int = 128,
        num_layers: int = 1,
        cell: str = "lstm",
        embedding: int = 32,
        dropout: float = 0.0,
    ):
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"CharRNN: cell should be one of {', '.join(CELLS)}, got {cell!r}")
        self.embedding = nn.Embedding(num_tokens, embedding)
        self.rnn = CELLS[cell](embedding, hidden, num_layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(hidden, num_tokens)

    def forward(self, tokens: Tensor, state=None):
        y, state = self.rnn(self.embedding(tokens), state)
        return self.head(y), state

    @no_grad()
    def sample(self, start: Tensor, length: int, temperature: float = 1.0) -> Tensor:
        """`start` [T], followed by `length` characters drawn from softmax(scores / temperature), each given all before.

        temperature 0 takes the largest score each time.
        """
        if start.ndim != 1 or len(start) == 0 or temperature < 0:
            raise ValueError(
                f"CharRNN.sample: expected characters [T], T > 0, and a temperature of at least 0, got "
                f"{list(start.shape)} and {temperature}"
            )
        was_training = self.training
        self.eval()
        pieces, state = [start], None
        for _ in range(length):
            scores, state = self(pieces[-1].unsqueeze(0), state)
            last = scores[0, -1]
            if temperature == 0:
                pieces.append(last.argmax().reshape(1))
            else:
                pieces.append(multinomial((last / temperature).softmax(0), 1))
        self.train(was_training)
        return cat(pieces)
