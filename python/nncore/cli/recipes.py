"""What `train` chooses from: data sets with settings that suit them, models, optimizers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nncore import models, nn, optim
from nncore.data import augment, datasets


@dataclass(frozen=True)
class Recipe:
    """A data set, how it is loaded and augmented, and the settings used where the command line gives none."""

    load: Callable  # (folder, train) -> ImageDataset
    epochs: int
    batch_size: int
    lr_factor: float  # times the optimizer's own learning rate
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None


RECIPES = {
    "digits": Recipe(lambda _, train: datasets.digits(train), 20, 64, 1.5, augment.random_shift),
    "fashion-mnist": Recipe(datasets.fashion_mnist, 5, 128, 1.0, augment.random_flip),
    "mnist": Recipe(datasets.mnist, 5, 128, 1.0, None),
}

# Optimizer by name: the peak learning rate of its one-cycle schedule, and how it is made.
OPTIMIZERS: dict[str, tuple[float, Callable]] = {
    "sgd": (0.05, lambda p, lr: optim.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=5e-4)),
    "adam": (3e-3, optim.Adam),
    "adamw": (3e-3, optim.AdamW),
    "rmsprop": (1e-3, optim.RMSprop),
    "adagrad": (2e-2, optim.Adagrad),
}
CYCLES_MOMENTUM = ("sgd", "adam", "adamw")

MODELS = ("cnn", "lenet", "mlp")


def build_model(name: str, image_size: int, num_classes: int) -> tuple[nn.Module, int]:
    """The model, and how often it wants each pixel repeated (LeNet-5 looks at 32x32 pixels, the digits have 8x8)."""
    if name == "mlp":
        return models.MLP(image_size**2, (256, 128), num_classes), 1
    if name == "cnn":
        return models.SmallCNN(1, num_classes, image_size), 1
    repeat = max(1, 32 // image_size)
    return models.LeNet5(num_classes, image_size * repeat), repeat
