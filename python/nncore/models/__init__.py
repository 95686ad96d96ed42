"""The classic networks, one file a family, each opening with its paper and its idea.

Where torchvision has a network, names of functions, arguments, modules and parameters are its own, so a state_dict goes
from one to the other. `weights` is a file with a state_dict: nothing is downloaded here.
"""

from nncore.models.alexnet import AlexNet, alexnet
from nncore.models.char_rnn import CharRNN
from nncore.models.dcgan import DCGANCritic, DCGANGenerator
from nncore.models.densenet import DenseNet, densenet121, densenet169, densenet201
from nncore.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from nncore.models.lenet import LeNet5
from nncore.models.mlp import MLP
from nncore.models.mobilenet import MobileNetV2, mobilenet_v2
from nncore.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    se_resnet50,
    se_resnext50_32x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from nncore.models.resnet_cifar import (
    CifarResNet,
    WideResNet,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    wrn_28_10,
)
from nncore.models.small_cnn import SmallCNN
from nncore.models.transformer import PositionalEncoding, TransformerClassifier, TransformerLM
from nncore.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "MLP",
    "VGG",
    "AlexNet",
    "CharRNN",
    "CifarResNet",
    "DCGANCritic",
    "DCGANGenerator",
    "DenseNet",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet5",
    "MobileNetV2",
    "PositionalEncoding",
    "ResNet",
    "SmallCNN",
    "TransformerClassifier",
    "TransformerLM",
    "WideResNet",
    "alexnet",
    "densenet121",
    "densenet169",
    "densenet201",
    "googlenet",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "se_resnet50",
    "se_resnext50_32x4d",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "wrn_28_10",
]
