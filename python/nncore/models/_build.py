"""How the functions that name a network build it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nncore import nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike


Network = TypeVar("Network", bound=nn.Module)


def build(network: Callable[..., Network], *args, weights: str | PathLike | None = None, **kwargs) -> Network:
    """network(*args, **kwargs); with `weights`, a file that `nncore.save` or safetensors wrote, its state_dict is
    loaded, and no time goes into random numbers first."""
    if weights is None:
        return network(*args, **kwargs)
    from nncore.serialization import load

    with nn.init.skipped():
        model = network(*args, **kwargs)
    model.load_state_dict(load(weights))
    return model
