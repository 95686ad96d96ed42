"""Pictures of networks and of training, saved by whoever asked for them.

Each function returns a matplotlib figure (extra `demo`); `graph` returns an SVG drawing, and needs nothing.
"""

from .boundaries import decision_boundary
from .curves import learning_curve
from .functions import with_derivative
from .graph import Graph, graph
from .images import Examples, image_grid, kernels, prediction_grid
from .matrices import matrices, matrix
from .networks import network
from .paths import Landscape, animate_paths, paths
from .plans import plan

__all__ = [
    "Examples",
    "Graph",
    "Landscape",
    "animate_paths",
    "decision_boundary",
    "graph",
    "image_grid",
    "kernels",
    "learning_curve",
    "matrices",
    "matrix",
    "network",
    "paths",
    "plan",
    "prediction_grid",
    "with_derivative",
]
