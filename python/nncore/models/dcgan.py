"""DCGAN: a generator of images from noise, and the critic (discriminator) that tells them from real ones.

The idea (Radford et al. 2016): no pooling and no linear layers. The generator doubles the extents by transposed
convolutions of stride 2, from 4x4 up to the image; the critic halves them by convolutions of stride 2. Batch
normalisation keeps the game between the two stable, with ReLU in the generator and leaky ReLU in the critic.

A Wasserstein critic gives any real number, so there is no sigmoid here: `BCEWithLogitsLoss` has it inside. With the
gradient penalty (Gulrajani et al. 2017), which looks at one image at a time, choose norm="instance", "layer" or None
in the critic: batch normalisation would make every image's score depend on the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore.tensor import Tensor

NORMS: dict[str | None, Callable[[int], nn.Module]] = {
    "batch": lambda channels: nn.BatchNorm2d(channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "layer": lambda channels: nn.GroupNorm(1, channels),
    None: lambda channels: nn.Identity(),
}


def _doublings(operation: str, image_size: int) -> int:
    """How often 4 doubles to reach image_size."""
    n = max(image_size, 1).bit_length() - 3
    if n < 1 or image_size != 4 << n:
        raise ValueError(f"{operation}: image_size should be 8, 16, 32, 64, ..., got {image_size}")
    return n


def _norm(operation: str, name: str | None) -> Callable[[int], nn.Module]:
    if name not in NORMS:
        raise ValueError(f"{operation}: norm should be one of {list(NORMS)}, got {name!r}")
    return NORMS[name]


def dcgan_start(model: nn.Module) -> None:
    """The paper's start: convolutions from N(0, 0.02^2), normalisation factors from N(1, 0.02^2)."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


class DCGANGenerator(nn.Module):
    """Images in [-1, 1] from noise: latent [N, latent_dim, 1, 1] or [N, latent_dim] to [N, channels, S, S], S =
    image_size, a power of two from 8 on. `width` is the number of channels before the last layer.

    Source: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
    adversarial networks", 2016.

    >>> nc.models.DCGANGenerator(16, channels=1, width=4, image_size=16)(nc.randn(2, 16)).shape
    nncore.Size([2, 1, 16, 16])
    """

    def __init__(
        self,
        latent_dim: int = 100,
        channels: int = 3,
        width: int = 64,
        image_size: int = 64,
        norm: str | None = "batch",
    ):
        super().__init__()
        steps, make_norm = _doublings("DCGANGenerator", image_size), _norm("DCGANGenerator", norm)
        out = width << (steps - 1)
        layers = [nn.ConvTranspose2d(latent_dim, out, 4, 1, 0, bias=False), make_norm(out), nn.ReLU(True)]
        for _ in range(steps - 1):
            layers += [nn.ConvTranspose2d(out, out // 2, 4, 2, 1, bias=False), make_norm(out // 2), nn.ReLU(True)]
            out //= 2
        layers += [nn.ConvTranspose2d(out, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.latent_dim = latent_dim
        self.main = nn.Sequential(*layers)
        dcgan_start(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z if z.ndim == 4 else z.reshape(-1, self.latent_dim, 1, 1))


class DCGANCritic(nn.Module):
    """One number for each image, larger for what looks real: [N, channels, S, S] to [N], S = image_size, a power of two
    from 8 on. `width` is the number of channels after the first layer, which has no normalisation.

    >>> nc.models.DCGANCritic(channels=1, width=4, image_size=16, norm=None)(nc.zeros(2, 1, 16, 16)).shape
    nncore.Size([2])
    """

    def __init__(self, channels: int = 3, width: int = 64, image_size: int = 64, norm: str | None = "batch"):
        super().__init__()
        steps, make_norm = _doublings("DCGANCritic", image_size), _norm("DCGANCritic", norm)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for _ in range(steps - 1):
            conv = nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)
            layers += [conv, make_norm(2 * width), nn.LeakyReLU(0.2, inplace=True)]
            width *= 2
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 0, bias=False))
        dcgan_start(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x).reshape(-1)
