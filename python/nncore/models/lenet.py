"""LeNet-5."""

from nncore import nn


class LeNet5(nn.Module):
    """LeNet-5 for grey images of 28x28 or 32x32 pixels.

    Two convolutions of 5x5, each with tanh and 2x2 average pooling, then three linear layers. Where the original has
    trainable subsampling, a partial connection table and radial basis outputs, this has their plain forms.
    Images of 28x28 get a border of two zeros, as the original's data had.

    Shapes: input [N, 1, S, S] with S = `image_size`, output [N, num_classes].
    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.

    >>> import nncore as nc
    >>> LeNet5()(nc.zeros(2, 1, 28, 28)).shape
    nncore.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, image_size: int = 28):
        super().__init__()
        if image_size not in (28, 32):
            raise ValueError(f"LeNet5: image_size should be 28 or 32, got {image_size}")
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=(32 - image_size) // 2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x))
