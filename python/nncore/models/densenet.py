"""DenseNet: every layer sees what all layers before it made.

The idea (Huang et al. 2017): inside a block, a layer takes the channels of all earlier ones side by side and adds only
`growth_rate` new ones. Features are used again in place of being computed again, so few parameters do much, and the
loss is near to every layer. Between blocks a transition halves channels and extents.

Module and parameter names are torchvision's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build
from nncore.nn import functional as F
from nncore.ops.join import cat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor


class _DenseLayer(nn.Module):
    """growth_rate new channels from all before: bn, relu, 1x1 convolution to bn_size * growth_rate channels, bn, relu,
    3x3 convolution, dropout."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float):
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(cat(list(features), 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """`num_layers` dense layers; the result is their input and all that they added."""

    def __init__(self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float):
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """bn, relu, 1x1 convolution to fewer channels, 2x2 mean pooling."""

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """A 7x7 convolution and a pooling, dense blocks of block_config layers with transitions between, the mean, a linear
    layer.

    Shapes: images [N, 3, H, W], at least 32x32, best 224x224, to scores [N, num_classes].
    Source: Huang et al., "Densely connected convolutional networks", 2017.

    >>> nc.models.DenseNet(4, (2, 2), 8, num_classes=10)(nc.zeros(2, 3, 32, 32)).shape
    nncore.Size([2, 10])
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
    ):
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        channels = num_init_features
        for i, num_layers in enumerate(block_config, start=1):
            block = _DenseBlock(num_layers, channels, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{i}", block)
            channels += num_layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def densenet121(*, weights=None, **kwargs) -> DenseNet:
    """DenseNet-121, 8.0 M parameters, 2.8 G multiply-adds at 224x224."""
    return build(DenseNet, 32, (6, 12, 24, 16), 64, weights=weights, **kwargs)


def densenet169(*, weights=None, **kwargs) -> DenseNet:
    """DenseNet-169, 14.1 M parameters, 3.4 G multiply-adds at 224x224."""
    return build(DenseNet, 32, (6, 12, 32, 32), 64, weights=weights, **kwargs)


def densenet201(*, weights=None, **kwargs) -> DenseNet:
    """DenseNet-201, 20.0 M parameters, 4.3 G multiply-adds at 224x224."""
    return build(DenseNet, 32, (6, 12, 48, 32), 64, weights=weights, **kwargs)
