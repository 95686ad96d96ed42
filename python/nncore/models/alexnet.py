"""AlexNet: the network that won ImageNet in 2012 and began the decade of convolutional networks.

Its ideas: ReLU in place of tanh (training several times as fast), dropout before the large linear layers, random crops
and flips of the images, and two GPUs. This is the one-GPU form of "One weird trick" (2014), as in torchvision: fewer
channels in the first layers, and no local response normalisation, which brought the original a little over 1 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build

if TYPE_CHECKING:
    from nncore.tensor import Tensor


class AlexNet(nn.Module):
    """Five convolutions with three poolings, then three linear layers.

    Shapes: images [N, 3, H, W], at least 63x63, best 224x224, to scores [N, num_classes]. 61.1 M parameters, of which
    the linear layers have 58.6 M; 0.7 G multiply-adds.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012;
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(*, weights=None, **kwargs) -> AlexNet:
    """AlexNet."""
    return build(AlexNet, weights=weights, **kwargs)
