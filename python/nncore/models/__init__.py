"""Networks to start from."""

from .char_rnn import CharRNN
from .lenet import LeNet5
from .mlp import MLP
from .small_cnn import SmallCNN

__all__ = [
    "MLP",
    "CharRNN",
    "LeNet5",
    "SmallCNN",
]
