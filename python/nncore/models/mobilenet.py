"""MobileNetV2: convolution for phones and small boards.

The ideas (Howard et al. 2017, Sandler et al. 2018): a depthwise 3x3 convolution (one kernel for each channel) and a 1x1
convolution together cost about a ninth of a full 3x3 one. A residual block is inverted: narrow between blocks, six
times as wide inside, where the depthwise convolution works; and the last 1x1 convolution has no ReLU after it, since
ReLU on few channels would lose what they carry. ReLU6 keeps activations in a range that 8-bit numbers hold well.

Module and parameter names are torchvision's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nncore.tensor import Tensor

# Expansion factor, output channels, number of blocks, stride of the first of them.
SETTING = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of divisor nearest to channels, but no less than nine tenths of it."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class ConvNormReLU6(nn.Sequential):
    """Convolution that keeps the extents at stride 1, normalisation, ReLU6."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, norm: Callable[[int], nn.Module], groups=1):
        conv = nn.Conv2d(channels, out, kernel, stride, padding=(kernel - 1) // 2, groups=groups, bias=False)
        super().__init__(conv, norm(out), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """1x1 up to expand_ratio * inp channels, depthwise 3x3, 1x1 down to oup; added to the input where shapes allow."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        norm = norm_layer or nn.BatchNorm2d
        wide = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = [] if expand_ratio == 1 else [ConvNormReLU6(inp, wide, 1, 1, norm)]
        layers.append(ConvNormReLU6(wide, wide, 3, stride, norm, groups=wide))
        layers += [nn.Conv2d(wide, oup, 1, bias=False), norm(oup)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A 3x3 convolution, inverted residual blocks, a 1x1 convolution to 1280 channels, the mean, a linear layer.

    width_mult scales the channels, rounded to multiples of round_nearest.

    Shapes: images [N, 3, H, W], at least 32x32, best 224x224, to scores [N, num_classes]. 3.5 M parameters, 0.3 G
    multiply-adds. Source: Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", 2018.

    >>> nc.models.MobileNetV2(10, width_mult=0.25)(nc.zeros(2, 3, 32, 32)).shape
    nncore.Size([2, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or any(len(row) != 4 for row in setting):
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {inverted_residual_setting}"
            )
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [ConvNormReLU6(3, channels, 3, 2, norm)]
        for expand, width, count, stride in setting:
            out = make_divisible(width * width_mult, round_nearest)
            for i in range(count):
                features.append(block(channels, out, stride if i == 0 else 1, expand_ratio=expand, norm_layer=norm))
                channels = out
        features.append(ConvNormReLU6(channels, self.last_channel, 1, 1, norm))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def mobilenet_v2(*, weights=None, **kwargs) -> MobileNetV2:
    """MobileNetV2."""
    return build(MobileNetV2, weights=weights, **kwargs)
