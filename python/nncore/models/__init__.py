"""Networks to start from."""

from .lenet import LeNet5
from .mlp import MLP
from .small_cnn import SmallCNN

__all__ = ["MLP", "LeNet5", "SmallCNN"]
