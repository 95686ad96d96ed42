"""VGG: depth from 3x3 convolutions alone.

The idea (Simonyan and Zisserman 2015): two 3x3 convolutions see as much as one of 5x5, three as much as one of 7x7,
with fewer parameters and more nonlinearities. So nothing else is used, in five stages with a pooling after each; the
configurations A, B, D and E have 11, 13, 16 and 19 layers with weights. Three linear layers, as in AlexNet, hold most
of the 133 to 144 M parameters. The variants with batch normalisation came later and train from random weights at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.tensor import Tensor

# Output channels of the convolutions of each stage.
STAGES = {
    11: [[64], [128], [256] * 2, [512] * 2, [512] * 2],
    13: [[64] * 2, [128] * 2, [256] * 2, [512] * 2, [512] * 2],
    16: [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3],
    19: [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4],
}


def make_layers(stages: Sequence[Sequence[int]], batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part: stages of 3x3 convolutions with ReLU, a 2x2 max pooling after each."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in stages:
        for out in stage:
            layers.append(nn.Conv2d(channels, out, 3, padding=1))
            layers += [nn.BatchNorm2d(out)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = out
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """`features` (from `make_layers`), pooled to 7x7 pixels, then three linear layers with dropout.

    Shapes: images [N, 3, H, W], at least 32x32, best 224x224, to scores [N, num_classes].
    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _vgg(depth: int, batch_norm: bool, weights, **kwargs) -> VGG:
    def network(**settings):
        return VGG(make_layers(STAGES[depth], batch_norm), **settings)

    return build(network, weights=weights, **kwargs)


def vgg11(*, weights=None, **kwargs) -> VGG:
    """VGG-11, configuration A: 132.9 M parameters, 7.6 G multiply-adds at 224x224."""
    return _vgg(11, False, weights, **kwargs)


def vgg11_bn(*, weights=None, **kwargs) -> VGG:
    """VGG-11 with batch normalisation."""
    return _vgg(11, True, weights, **kwargs)


def vgg13(*, weights=None, **kwargs) -> VGG:
    """VGG-13, configuration B: 133.0 M parameters, 11.3 G multiply-adds at 224x224."""
    return _vgg(13, False, weights, **kwargs)


def vgg13_bn(*, weights=None, **kwargs) -> VGG:
    """VGG-13 with batch normalisation."""
    return _vgg(13, True, weights, **kwargs)


def vgg16(*, weights=None, **kwargs) -> VGG:
    """VGG-16, configuration D: 138.4 M parameters, 15.5 G multiply-adds at 224x224."""
    return _vgg(16, False, weights, **kwargs)


def vgg16_bn(*, weights=None, **kwargs) -> VGG:
    """VGG-16 with batch normalisation."""
    return _vgg(16, True, weights, **kwargs)


def vgg19(*, weights=None, **kwargs) -> VGG:
    """VGG-19, configuration E: 143.7 M parameters, 19.6 G multiply-adds at 224x224."""
    return _vgg(19, False, weights, **kwargs)


def vgg19_bn(*, weights=None, **kwargs) -> VGG:
    """VGG-19 with batch normalisation."""
    return _vgg(19, True, weights, **kwargs)
