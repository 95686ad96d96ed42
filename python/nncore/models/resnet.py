"""Residual networks for ImageNet, and the families that share their skeleton: wide, ResNeXt, squeeze-and-excitation.

The idea (He et al. 2016): let a block compute what to add to its input, y = relu(x + f(x)), in place of a whole new y.
The gradient then has a way through every addition untouched, and nets of 152 layers train as well as shallow ones.

- `BasicBlock`: two 3x3 convolutions (ResNet-18, -34); `Bottleneck`: 1x1 down, 3x3, 1x1 up to 4 times the channels.
- Wide ResNet (Zagoruyko and Komodakis 2016): twice the channels in the 3x3 convolutions.
- ResNeXt (Xie et al. 2017): the 3x3 convolution in 32 groups, so that it can be wider at the same cost.
- SENet (Hu et al. 2018): each block multiplies its channels by numbers in (0, 1) that two small layers compute from the
  channels' means, so that the net can look at what the whole image needs. `fc1` squeezes to 1/16, `fc2` excites.

Module and parameter names are torchvision's; a stride lies in the 3x3 convolution of a bottleneck ("ResNet 1.5").
All take images [N, 3, H, W], best 224x224, and give scores [N, num_classes].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn
from nncore.models._build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nncore.tensor import Tensor


def conv3x3(channels: int, out: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the extents at stride 1; batch norm after it makes a bias useless."""
    return nn.Conv2d(channels, out, 3, stride, padding=dilation, groups=groups, bias=False, dilation=dilation)


def conv1x1(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution: a linear layer at every pixel."""
    return nn.Conv2d(channels, out, 1, stride, bias=False)


class SqueezeExcitation(nn.Module):
    """x times a factor in (0, 1) for each image and channel: sigmoid(fc2(relu(fc1(mean of x over the pixels)))).

    Shapes: [N, C, H, W] to the same. Source: Hu, Shen and Sun, "Squeeze-and-excitation networks", 2018.
    """

    def __init__(self, input_channels: int, squeeze_channels: int):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))


class BasicBlock(nn.Module):
    """relu(x + bn(conv3x3(relu(bn(conv3x3(x)))))), where `downsample` fits x to another shape."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample

    def residual(self, x: Tensor) -> Tensor:
        """What is added to x."""
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.residual(x) + shortcut)


class Bottleneck(nn.Module):
    """relu(x + f(x)) with f: 1x1 convolution to `width` channels, 3x3 in groups, 1x1 to 4 * planes, each normalised."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def residual(self, x: Tensor) -> Tensor:
        """What is added to x."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.residual(x) + shortcut)


class SEBottleneck(Bottleneck):
    """A bottleneck whose residual goes through squeeze and excitation, with a sixteenth of the channels between."""

    def __init__(self, inplanes: int, planes: int, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = SqueezeExcitation(planes * self.expansion, planes * self.expansion // 16)

    def residual(self, x: Tensor) -> Tensor:
        return self.se(super().residual(x))


class ResNet(nn.Module):
    """A 7x7 convolution and a pooling, four stages of blocks (the later three halve the extents), the mean, a linear
    layer. `layers` counts the blocks of each stage.

    zero_init_residual starts every block as the identity (Goyal et al. 2017). replace_stride_with_dilation, three
    flags, keeps the extents of the last three stages and dilates their kernels instead.

    Source: He et al., "Deep residual learning for image recognition", 2016.

    >>> from nncore.models.resnet import BasicBlock, ResNet
    >>> ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)(nc.zeros(2, 3, 32, 32)).shape
    nncore.Size([2, 10])
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise ValueError(f"replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}")
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(block, 64, layers[0], 1, False)
        self.layer2 = self._stage(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._stage(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._stage(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._start(zero_init_residual)

    def _stage(self, block, planes: int, count: int, stride: int, dilate: bool) -> nn.Sequential:
        """`count` blocks, the first of which changes extents and channels and fits its shortcut to them."""
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        out, norm = planes * block.expansion, self._norm_layer
        downsample = None
        if stride != 1 or self.inplanes != out:
            downsample = nn.Sequential(conv1x1(self.inplanes, out, stride), norm(out))
        shared = (self.groups, self.base_width)
        blocks = [block(self.inplanes, planes, stride, downsample, *shared, before, norm)]
        self.inplanes = out
        blocks += [block(out, planes, 1, None, *shared, self.dilation, norm) for _ in range(1, count)]
        return nn.Sequential(*blocks)

    def _start(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        for module in self.modules() if zero_init_residual else ():
            if isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                nn.init.constant_(last.weight, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(*, weights=None, **kwargs) -> ResNet:
    """ResNet-18, 11.7 M parameters, 1.8 G multiply-adds at 224x224."""
    return build(ResNet, BasicBlock, [2, 2, 2, 2], weights=weights, **kwargs)


def resnet34(*, weights=None, **kwargs) -> ResNet:
    """ResNet-34, 21.8 M parameters, 3.7 G multiply-adds at 224x224."""
    return build(ResNet, BasicBlock, [3, 4, 6, 3], weights=weights, **kwargs)


def resnet50(*, weights=None, **kwargs) -> ResNet:
    """ResNet-50, 25.6 M parameters, 4.1 G multiply-adds at 224x224."""
    return build(ResNet, Bottleneck, [3, 4, 6, 3], weights=weights, **kwargs)


def resnet101(*, weights=None, **kwargs) -> ResNet:
    """ResNet-101, 44.5 M parameters, 7.8 G multiply-adds at 224x224."""
    return build(ResNet, Bottleneck, [3, 4, 23, 3], weights=weights, **kwargs)


def resnet152(*, weights=None, **kwargs) -> ResNet:
    """ResNet-152, 60.2 M parameters, 11.5 G multiply-adds at 224x224."""
    return build(ResNet, Bottleneck, [3, 8, 36, 3], weights=weights, **kwargs)


def wide_resnet50_2(*, weights=None, **kwargs) -> ResNet:
    """ResNet-50 with 3x3 convolutions twice as wide, 68.9 M parameters."""
    return build(ResNet, Bottleneck, [3, 4, 6, 3], weights=weights, **{"width_per_group": 128, **kwargs})


def wide_resnet101_2(*, weights=None, **kwargs) -> ResNet:
    """ResNet-101 with 3x3 convolutions twice as wide, 126.9 M parameters."""
    return build(ResNet, Bottleneck, [3, 4, 23, 3], weights=weights, **{"width_per_group": 128, **kwargs})


def resnext50_32x4d(*, weights=None, **kwargs) -> ResNet:
    """ResNeXt-50: 3x3 convolutions in 32 groups of 4 channels and more, 25.0 M parameters."""
    shape = {"groups": 32, "width_per_group": 4}
    return build(ResNet, Bottleneck, [3, 4, 6, 3], weights=weights, **{**shape, **kwargs})


def resnext101_32x8d(*, weights=None, **kwargs) -> ResNet:
    """ResNeXt-101: 3x3 convolutions in 32 groups of 8 channels and more, 88.8 M parameters."""
    shape = {"groups": 32, "width_per_group": 8}
    return build(ResNet, Bottleneck, [3, 4, 23, 3], weights=weights, **{**shape, **kwargs})


def se_resnet50(*, weights=None, **kwargs) -> ResNet:
    """SE-ResNet-50: ResNet-50 with squeeze and excitation in every block, 28.1 M parameters."""
    return build(ResNet, SEBottleneck, [3, 4, 6, 3], weights=weights, **kwargs)


def se_resnext50_32x4d(*, weights=None, **kwargs) -> ResNet:
    """SE-ResNeXt-50: ResNeXt-50 with squeeze and excitation in every block, 27.6 M parameters."""
    shape = {"groups": 32, "width_per_group": 4}
    return build(ResNet, SEBottleneck, [3, 4, 6, 3], weights=weights, **{**shape, **kwargs})
