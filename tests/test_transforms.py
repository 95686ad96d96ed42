"""Transforms of images: Pillow images and tensors alike, the same draw for the same seed, errors."""

import numpy as np
import pytest

import nncore as nc
from nncore.data import transforms as T

Image = pytest.importorskip("PIL.Image")


def picture(h=7, w=5, mode="RGB", seed=0):
    random = np.random.default_rng(seed)
    shape = (h, w, 3) if mode == "RGB" else (h, w)
    return Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8), mode if mode == "L" else None)


def planes(image):
    """A Pillow image as [C, H, W] uint8."""
    array = np.asarray(image)
    return nc.tensor(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "transform",
    [
        T.CenterCrop(3),
        T.CenterCrop((9, 2)),
        T.CenterCrop((4, 8)),
        T.Pad(2),
        T.Pad((1, 2), fill=7),
        T.Pad([1, 0, 2, 3], padding_mode="edge"),
        T.Pad(2, padding_mode="reflect"),
        T.Pad(3, padding_mode="symmetric"),
        T.RandomCrop(3),
        T.RandomCrop((4, 5), padding=2),
        T.RandomCrop(8, pad_if_needed=True),
        T.RandomHorizontalFlip(),
        T.RandomVerticalFlip(p=1.0),
    ],
    ids=str,
)
def test_images_and_tensors_alike(transform, mode):
    image = picture(mode=mode)
    for seed in range(4):
        results = []
        for x in (image, planes(image)):
            nc.manual_seed(seed)
            results.append(transform(x))
        assert results[0].mode == mode
        np.testing.assert_array_equal(planes(results[0]).numpy(), results[1].numpy())


def test_fill_by_channel_and_batches():
    wide = T.Pad(1, fill=(1, 2, 3))(picture())
    assert wide.getpixel((0, 0)) == (1, 2, 3)
    batch = nc.ones(2, 3, 4, 4)
    wide = T.Pad(1, fill=(1, 2, 3))(batch)
    assert wide.shape == (2, 3, 6, 6)
    assert wide[1, :, 0, 0].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="expected a fill of 1 number or one per channel, got 2"):
        T.Pad(1, fill=(1, 2))(batch)


def test_random_ones_meet_every_place():
    x = nc.arange(16).reshape(1, 4, 4)
    nc.manual_seed(0)
    crops = [tuple(T.RandomCrop(3)(x)[0, 0, :1].tolist()) for _ in range(60)]
    assert set(crops) == {(0,), (1,), (4,), (5,)}
    flips = [T.RandomHorizontalFlip(0.25)(x)[0, 0, 0].item() == 3 for _ in range(400)]
    assert 60 < sum(flips) < 140
    nc.manual_seed(0)
    assert crops == [tuple(T.RandomCrop(3)(x)[0, 0, :1].tolist()) for _ in range(60)]
    assert not any(T.RandomHorizontalFlip(0.0)(x)[0, 0, 0].item() for _ in range(20))


def test_to_tensor():
    image = picture()
    x = T.ToTensor()(image)
    assert x.dtype == nc.float32
    np.testing.assert_array_equal(x.numpy(), np.asarray(image).transpose(2, 0, 1) / np.float32(255))
    assert T.ToTensor()(picture(mode="L")).shape == (1, 7, 5)
    assert T.ToTensor()(image.convert("1")).max().item() == 1
    assert T.ToTensor()(Image.fromarray(np.full((2, 2), 70000, np.int32))).dtype == nc.int32
    assert T.ToTensor()(np.ones((2, 3, 1))).dtype == nc.float64
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        T.ToTensor()([1])
    with pytest.raises(ValueError, match="pic should be 2/3 dimensional"):
        T.ToTensor()(np.ones(3))


def test_normalize():
    x = nc.tensor(np.random.default_rng(0).random((2, 3, 4, 5)))
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    y = T.Normalize(mean, std)(x)
    expected = (x.numpy() - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(y.numpy(), expected)
    assert T.Normalize(mean, std, inplace=True)(x) is x
    np.testing.assert_allclose(x.numpy(), expected)
    with pytest.raises(ValueError, match="std evaluated to zero"):
        T.Normalize(0.0, [1.0, 0.0, 1.0])(x)
    with pytest.raises(ValueError, match="expected 1 or 3 values, one per channel, got 2"):
        T.Normalize([0.0, 1.0], 1.0)(x)
    with pytest.raises(TypeError, match=r"should be a float tensor\. Got nncore.uint8"):
        T.Normalize(0.0, 1.0)(nc.ones(1, 2, 2, dtype=nc.uint8))
    with pytest.raises(TypeError, match=r"should be Tensor Image\. Got <class 'int'>"):
        T.Normalize(0.0, 1.0)(3)
    with pytest.raises(ValueError, match=r"tensor image of size \(..., C, H, W\)"):
        T.Normalize(0.0, 1.0)(nc.ones(2, 2))


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (4, {}, (5, 4)),
        ([4], {}, (5, 4)),
        ((3, 9), {}, (3, 9)),
        (10, {"max_size": 12}, (12, 8)),
        (14, {}, (19, 14)),
        (5, {}, (7, 5)),
    ],
)
def test_resize_sizes(size, options, expected):
    image = picture()
    assert T.Resize(size, **options)(image).size == expected[::-1]
    assert T.Resize(size, **options)(planes(image)).shape == (3, *expected)
    assert T.Resize(size, **options)(planes(image)[0]).shape == expected


def test_resize_values():
    x = nc.arange(8.0).reshape(1, 2, 4)
    np.testing.assert_allclose(T.Resize((1, 2))(x).numpy(), [[[2.5, 4.5]]], atol=0.51)
    np.testing.assert_array_equal(T.Resize((4, 8), interpolation="nearest")(x).numpy()[0, ::2, ::2], x.numpy()[0])
    assert T.Resize((5, 5))(nc.full((1, 3, 3), 7, dtype=nc.uint8)).tolist() == [[[7] * 5] * 5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.RandomCrop(9)(picture()), ValueError, r"size \(9, 9\) is larger than input image size \(7, 5\)"),
        (lambda: T.CenterCrop((1, 2, 3)), ValueError, "Please provide only two dimensions"),
        (lambda: T.Pad("x"), TypeError, "Got inappropriate padding arg"),
        (lambda: T.Pad((1, 2, 3)), ValueError, "1, 2, or 4 element tuple"),
        (lambda: T.Pad(1, padding_mode="x"), ValueError, "constant, edge, reflect or symmetric"),
        (lambda: T.Resize((1, 2, 3)), ValueError, "it should have 1 or 2 values"),
        (lambda: T.Resize((1, 2), max_size=3), ValueError, "max_size should only be passed if"),
        (lambda: T.Resize(4, max_size=4)(picture()), ValueError, "must be strictly greater than the requested size"),
        (lambda: T.Resize(4, interpolation="x"), ValueError, "expected an interpolation of nearest"),
        (lambda: T.CenterCrop(2)(nc.ones(3)), TypeError, r"CenterCrop: expected a Pillow image or a tensor.*got \[3\]"),
        (lambda: T.RandomHorizontalFlip()(3), TypeError, "RandomHorizontalFlip: expected a Pillow image.* got int"),
        (lambda: T.Lambda(3), TypeError, "lambd should be callable"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_compose_in_a_loader():
    pipeline = T.Compose([T.RandomCrop(8, padding=1), T.RandomHorizontalFlip(), T.Lambda(lambda x: 2 * x)])
    data = nc.data.TransformedDataset(nc.data.datasets.digits(), pipeline, target_transform=lambda t: t + 100)
    images, targets = next(iter(nc.data.DataLoader(data, batch_size=16)))
    assert images.shape == (16, 1, 8, 8)
    assert targets.min().item() >= 100
    assert repr(pipeline).splitlines()[1] == "    RandomCrop(size=(8, 8), padding=1)"
