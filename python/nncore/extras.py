"""Imports of what only an extra installs, with an error that names the extra."""

import importlib


def require(module: str, purpose: str, extra: str = "demo"):
    """The module, or ImportError saying which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the module is there; something that it imports is not
        package = module.split(".")[0]
        raise ImportError(
            f"{purpose} needs the package {package}, which is not installed: pip install 'nncore[{extra}]'",
            name=error.name,
        ) from None
