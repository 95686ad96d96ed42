"""ImageFolder: a data set of image files, sorted into one folder per class. Needs Pillow (extra `vision`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.extras import require

from .dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def pil_loader(path: str | os.PathLike):
    """The image of a file, as a Pillow image in RGB."""
    with open(path, "rb") as file:
        return require("PIL.Image", "ImageFolder", extra="vision").open(file).convert("RGB")


class ImageFolder(Dataset):
    """Images in root/class/.../name.png: item i is (image, class number), after transform and target_transform.

    Classes are the folders of root in alphabetical order, numbered from 0: `classes`, `class_to_idx`. `samples` (also
    `imgs`) lists (path, class number), `targets` the numbers alone. `loader` turns a path into an image, by default a
    Pillow image in RGB; is_valid_file chooses the files instead of their extensions. FileNotFoundError where there is
    no class, or a class has no file and allow_empty is False.

    >>> T = nc.data.transforms
    >>> from PIL import Image
    >>> import pathlib
    >>> for name in ("cat", "dog"):
    ...     pathlib.Path("pets", name).mkdir(parents=True)
    ...     Image.new("RGB", (4, 4)).save(f"pets/{name}/1.png")
    >>> data = nc.data.ImageFolder("pets", T.ToTensor())
    >>> data.classes, len(data), data[1][0].shape, data[1][1]
    (['cat', 'dog'], 2, nncore.Size([3, 4, 4]), 1)
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable = pil_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.root, self.loader = os.fspath(root), loader
        self.transform, self.target_transform = transform, target_transform
        self.classes = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {self.root}.")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        valid = is_valid_file or (lambda path: path.lower().endswith(IMG_EXTENSIONS))
        self.samples = self.imgs = []
        empty = []
        for name, number in self.class_to_idx.items():
            found = [p for p in _files(os.path.join(self.root, name)) if valid(p)]
            self.samples += [(path, number) for path in found]
            if not found:
                empty.append(name)
        if empty and not allow_empty:
            said = f"Found no valid file for the classes {', '.join(empty)}."
            if is_valid_file is None:
                said += f" Supported extensions are: {', '.join(IMG_EXTENSIONS)}"
            raise FileNotFoundError(said)
        self.targets = [number for _, number in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        path, target = self.samples[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        return f"ImageFolder({Path(self.root).name}: {len(self)} images, {len(self.classes)} classes)"


def _files(folder: str) -> list[str]:
    """All files below a folder, in the order of their names."""
    folders = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(at, name) for at, _, names in folders for name in sorted(names)]
