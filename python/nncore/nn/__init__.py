"""Layers, losses and containers."""

from nncore.nn.container import ModuleDict, ModuleList, Sequential
from nncore.nn.module import Module
from nncore.nn.parameter import Parameter
from nncore.nn.parameter_list import ParameterDict, ParameterList

__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList", "Sequential"]
