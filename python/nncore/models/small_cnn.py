"""A small convolutional network."""

from nncore import nn


class SmallCNN(nn.Module):
    """Two 3x3 convolutions with max pooling and ReLU, then two linear layers with dropout.

    Pooling comes before ReLU: both orders give the same values, since ReLU is monotone, and this one computes a
    quarter of the ReLUs.

    Shapes: input [N, in_channels, S, S] with S = `image_size`, at least 4; output [N, num_classes].

    >>> import nncore as nc
    >>> SmallCNN(image_size=8)(nc.zeros(2, 1, 8, 8)).shape
    nncore.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 28,
        width: int = 32,
        hidden: int = 128,
        dropout: float = 0.1,
    ):
        super().__init__()
        if image_size < 4:
            raise ValueError(f"SmallCNN: image_size should be at least 4, got {image_size}")
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * (image_size // 4) ** 2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x))
