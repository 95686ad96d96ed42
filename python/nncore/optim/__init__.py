"""Optimizers, learning-rate schedulers in `lr_scheduler`, and averages of weights in `swa_utils`."""

from nncore.optim import lr_scheduler, swa_utils
from nncore.optim.adadelta import Adadelta
from nncore.optim.adagrad import Adagrad
from nncore.optim.adam import Adam, AdamW
from nncore.optim.adamax import Adamax
from nncore.optim.asgd import ASGD
from nncore.optim.lbfgs import LBFGS
from nncore.optim.nadam import NAdam
from nncore.optim.newton import Newton
from nncore.optim.optimizer import Optimizer
from nncore.optim.radam import RAdam
from nncore.optim.rmsprop import RMSprop
from nncore.optim.rprop import Rprop
from nncore.optim.sgd import SGD
from nncore.optim.variants import MovingAverageSGD, RootEpsRMSprop

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "MovingAverageSGD",
    "NAdam",
    "Newton",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "RootEpsRMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
