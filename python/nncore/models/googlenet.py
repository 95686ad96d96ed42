"""GoogLeNet ("Inception v1"), the winner of ImageNet 2014: several kernel sizes side by side.

The idea (Szegedy et al. 2015): which kernel size is right differs from object to object, so each module computes 1x1,
3x3 and 5x5 convolutions and a pooling of the same input and joins their channels. 1x1 convolutions before the large
kernels reduce the channels, so the whole has 22 layers and a ninth of AlexNet's parameters: the mean over the pixels
replaces the large linear layers. Two auxiliary heads halfway up add their losses in training, to bring gradients to
the lower layers.

As in torchvision, each convolution is followed by batch normalisation (in place of the paper's local response
normalisation), and the branch for 5x5 has 3x3 kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nncore import nn
from nncore.models._build import build
from nncore.nn import functional as F
from nncore.ops.join import cat, stack
from nncore.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


class GoogLeNetOutputs(NamedTuple):
    """The scores [N, num_classes] of the network and, in training, of its auxiliary heads."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    """relu(bn(conv(x)))."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches over one input, their channels side by side: 1x1; 1x1 and 3x3; 1x1 and "5x5"; pooling and 1x1."""

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv(in_channels, pool_proj, kernel_size=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary head: means over 4x4 pixels, a 1x1 convolution, two linear layers."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Callable[..., nn.Module] | None = None,
        dropout: float = 0.7,
    ):
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Three convolutions, nine inception modules, the mean, a linear layer; with aux_logits two more heads.

    In training with aux_logits the result is GoogLeNetOutputs(logits, aux_logits2, aux_logits1), whose losses the paper
    adds with weights 1, 0.3 and 0.3; otherwise the scores [N, num_classes]. transform_input takes images normalised by
    ImageNet's statistics to the range that the original weights expect.

    Shapes: images [N, 3, H, W], best 224x224. 6.6 M parameters, 13.0 M with the heads; 1.5 G multiply-adds.
    Source: Szegedy et al., "Going deeper with convolutions", 2015.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool = True,
        blocks: list[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):
        super().__init__()
        conv, inception, aux = blocks or (BasicConv2d, Inception, InceptionAux)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            self._start()

    def _start(self) -> None:
        """N(0, 0.01^2). torchvision cuts it at -2 and 2, which is 200 standard deviations away."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, 0.0, 0.01)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)

    def _transformed(self, x: Tensor) -> Tensor:
        """From (image - mean) / std of ImageNet to (image - 0.5) / 0.5, channel by channel."""
        statistics = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
        return stack([x[:, i] * (std / 0.5) + (mean - 0.5) / 0.5 for i, (mean, std) in enumerate(statistics)], 1)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        with_heads = self.training and self.aux_logits
        if self.transform_input:
            x = self._transformed(x)
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        aux1 = self.aux1(x) if with_heads else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if with_heads else None
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, aux2, aux1) if with_heads else x


def googlenet(*, weights=None, **kwargs) -> GoogLeNet:
    """GoogLeNet with its auxiliary heads."""
    return build(GoogLeNet, weights=weights, **kwargs)
