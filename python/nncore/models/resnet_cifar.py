"""Residual networks for small images (CIFAR-10): those of the residual paper, 20 to 110 layers, and WRN-28-10.

Images of 32x32 need no large first kernel and no pooling: one 3x3 convolution, three stages of 32x32, 16x16 and 8x8
pixels, the mean, a linear layer.

- `CifarResNet` (He et al. 2016, section 4.2): 6 n + 2 layers of 16, 32 and 64 channels. Where a stage changes shape,
  the shortcut takes every second pixel and pads the new channels with zeros ("option A"), so it has no parameters and
  the net has as many as the plain one beside it, `residual=False`.
- `WideResNet` (Zagoruyko and Komodakis 2016): 6 n + 4 layers, `widen_factor` times as many channels. Normalisation and
  ReLU come before the convolutions ("pre-activation", He et al. 2016b), so that the sum runs through the net unchanged.

Both take images [N, 3, H, W], best 32x32, and give scores [N, num_classes].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build
from nncore.models.resnet import conv1x1, conv3x3
from nncore.nn import functional as F

if TYPE_CHECKING:
    from nncore.tensor import Tensor


def kaiming_start(model: nn.Module) -> None:
    """Normal weights of variance 2 / fan_out in every convolution, as the residual papers begin."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class CifarBlock(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))) with the shortcut that has no parameters; without `residual` nothing is
    added."""

    def __init__(self, channels: int, out: int, stride: int = 1, residual: bool = True):
        super().__init__()
        self.conv1 = conv3x3(channels, out, stride)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = conv3x3(out, out)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.stride, self.more, self.residual = stride, out - channels, residual

    def shortcut(self, x: Tensor) -> Tensor:
        """x, or every second pixel of it with new channels of zeros around the old ones."""
        if self.stride == 1 and self.more == 0:
            return x
        half = self.more // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x)) if self.residual else self.relu(y)


class CifarResNet(nn.Module):
    """The residual paper's network of `depth` = 6 n + 2 layers for CIFAR-10, or without `residual` its plain twin.

    Source: He et al., "Deep residual learning for image recognition", 2016, section 4.2.

    >>> nc.models.CifarResNet(8)(nc.zeros(2, 3, 32, 32)).shape
    nncore.Size([2, 10])
    """

    def __init__(self, depth: int = 20, num_classes: int = 10, residual: bool = True):
        super().__init__()
        if depth % 6 != 2:
            raise ValueError(f"CifarResNet: depth should be 6 n + 2, got {depth}")
        n = (depth - 2) // 6
        self.conv1 = conv3x3(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(*[CifarBlock(16, 16, 1, residual) for _ in range(n)])
        self.layer2 = nn.Sequential(*[CifarBlock(16 if i == 0 else 32, 32, 1 + (i == 0), residual) for i in range(n)])
        self.layer3 = nn.Sequential(*[CifarBlock(32 if i == 0 else 64, 64, 1 + (i == 0), residual) for i in range(n)])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        kaiming_start(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.fc(self.avgpool(self.layer3(self.layer2(self.layer1(x)))).flatten(1))


class WideBlock(nn.Module):
    """x + conv(dropout(relu(bn(conv(relu(bn(x))))))); a shortcut that changes shape is a 1x1 convolution of
    relu(bn(x))."""

    def __init__(self, channels: int, out: int, stride: int, dropout: float):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv3x3(channels, out, stride)
        self.bn2 = nn.BatchNorm2d(out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = conv3x3(out, out)
        self.shortcut = conv1x1(channels, out, stride) if stride != 1 or channels != out else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        y = self.conv2(self.dropout(F.relu(self.bn2(self.conv1(active)))))
        return y + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """The wide residual network of `depth` = 6 n + 4 layers with 16, 32 and 64 times `widen_factor` channels.

    Source: Zagoruyko and Komodakis, "Wide residual networks", 2016.

    >>> nc.models.WideResNet(10, 2)(nc.zeros(2, 3, 32, 32)).shape
    nncore.Size([2, 10])
    """

    def __init__(self, depth: int = 28, widen_factor: int = 10, num_classes: int = 10, dropout: float = 0.0):
        super().__init__()
        if depth % 6 != 4:
            raise ValueError(f"WideResNet: depth should be 6 n + 4, got {depth}")
        n = (depth - 4) // 6
        self.conv1 = conv3x3(3, 16)
        channels, stages = 16, []
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            out = width * widen_factor
            blocks = [WideBlock(channels if i == 0 else out, out, stride if i == 0 else 1, dropout) for i in range(n)]
            stages.append(nn.Sequential(*blocks))
            channels = out
        self.layer1, self.layer2, self.layer3 = stages
        self.bn = nn.BatchNorm2d(channels)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        kaiming_start(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(self.avgpool(F.relu(self.bn(x))).flatten(1))


def resnet20(*, weights=None, **kwargs) -> CifarResNet:
    """ResNet-20 for CIFAR-10, 0.27 M parameters; 8.75 % error in the paper."""
    return build(CifarResNet, 20, weights=weights, **kwargs)


def resnet32(*, weights=None, **kwargs) -> CifarResNet:
    """ResNet-32 for CIFAR-10, 0.46 M parameters; 7.51 % error in the paper."""
    return build(CifarResNet, 32, weights=weights, **kwargs)


def resnet44(*, weights=None, **kwargs) -> CifarResNet:
    """ResNet-44 for CIFAR-10, 0.66 M parameters; 7.17 % error in the paper."""
    return build(CifarResNet, 44, weights=weights, **kwargs)


def resnet56(*, weights=None, **kwargs) -> CifarResNet:
    """ResNet-56 for CIFAR-10, 0.85 M parameters; 6.97 % error in the paper."""
    return build(CifarResNet, 56, weights=weights, **kwargs)


def resnet110(*, weights=None, **kwargs) -> CifarResNet:
    """ResNet-110 for CIFAR-10, 1.7 M parameters; 6.43 % error in the paper."""
    return build(CifarResNet, 110, weights=weights, **kwargs)


def wrn_28_10(*, weights=None, **kwargs) -> WideResNet:
    """WRN-28-10 for CIFAR-10, 36.5 M parameters; 4.00 % error in the paper."""
    return build(WideResNet, 28, 10, weights=weights, **kwargs)
