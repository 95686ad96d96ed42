"""Transforms beside torchvision's: the same images, and the same words."""

import contextlib

import numpy as np
import pytest

import nncore as nc
from nncore.data import transforms as ours

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def theirs():
    """torchvision.transforms; its operators are declared so that it imports beside any build of PyTorch."""
    for name, signature in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        with contextlib.suppress(RuntimeError):  # declared before
            torch.library.define(f"torchvision::{name}", signature)
    pytest.importorskip("torchvision")
    from torchvision import transforms

    return transforms


SETTINGS = [
    ("CenterCrop", (5,), {}),
    ("CenterCrop", ((12, 3),), {}),
    ("CenterCrop", ((3, 13),), {}),
    ("Pad", (2,), {"fill": 9}),
    ("Pad", ((1, 2),), {"padding_mode": "edge"}),
    ("Pad", ((3, 1, 0, 2),), {"padding_mode": "reflect"}),
    ("Pad", (2,), {"padding_mode": "symmetric"}),
    ("RandomCrop", (9,), {"padding": 1}),
    ("RandomHorizontalFlip", (1.0,), {}),
    ("RandomHorizontalFlip", (0.0,), {}),
    ("RandomVerticalFlip", (1.0,), {}),
    ("Resize", (5,), {}),
    ("Resize", ((13, 4),), {}),
    ("Resize", (20,), {"max_size": 23}),
]


@pytest.mark.parametrize(("name", "args", "settings"), SETTINGS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SETTINGS)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pillow_images(theirs, name, args, settings, mode):
    array = np.random.default_rng().integers(0, 256, (9, 7, 3) if mode == "RGB" else (9, 7), dtype=np.uint8)
    image = Image.fromarray(array)
    a, b = getattr(theirs, name)(*args, **settings), getattr(ours, name)(*args, **settings)
    assert repr(b) == repr(a)
    expected, got = np.asarray(a(image)), np.asarray(b(image))
    if name == "RandomCrop":  # the place is drawn
        assert got.shape == expected.shape
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("name", "args", "settings"), SETTINGS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SETTINGS)])
@pytest.mark.parametrize("shape", [(3, 9, 7), (2, 1, 9, 7)])
def test_tensors(theirs, name, args, settings, shape):
    array = np.random.default_rng().standard_normal(shape).astype(np.float32)
    expected = getattr(theirs, name)(*args, **settings)(torch.tensor(array)).numpy()
    got = getattr(ours, name)(*args, **settings)(nc.tensor(array)).numpy()
    if name == "RandomCrop":
        assert got.shape == expected.shape
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_to_tensor_and_normalize(theirs):
    random = np.random.default_rng()
    images = [
        Image.fromarray(random.integers(0, 256, (5, 4, 3), dtype=np.uint8)),
        Image.fromarray(random.integers(0, 256, (5, 4), dtype=np.uint8)),
        Image.fromarray(random.integers(0, 256, (5, 4), dtype=np.uint8)).convert("1"),
        Image.fromarray(random.integers(0, 70000, (5, 4)).astype(np.int32)),
        Image.fromarray(random.random((5, 4)).astype(np.float32)),
        random.integers(0, 256, (5, 4, 2), dtype=np.uint8),
        random.random((5, 4)),
    ]
    for image in images:
        expected, got = theirs.ToTensor()(image), ours.ToTensor()(image)
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
        assert str(got.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    array = random.random((3, 4, 5)).astype(np.float32)
    a, b = (module.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)) for module in (theirs, ours))
    np.testing.assert_allclose(b(nc.tensor(array)).numpy(), a(torch.tensor(array)).numpy(), rtol=1e-6)
    assert repr(b) == repr(a)
    pair = [module.Compose([module.CenterCrop(2), module.ToTensor()]) for module in (theirs, ours)]
    assert repr(pair[1]) == repr(pair[0])
