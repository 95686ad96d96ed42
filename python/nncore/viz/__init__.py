"""Pictures of training: each function returns a matplotlib figure (extra `demo`) and saves nothing."""

from .curves import learning_curve
from .images import Examples, prediction_grid
from .networks import network

__all__ = ["Examples", "learning_curve", "network", "prediction_grid"]
