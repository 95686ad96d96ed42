"""Splits for cross-validation, multi-hot rows, target encoding, folders of images."""

import numpy as np
import pytest

import nncore as nc
from nncore.data import ImageFolder, KFold, StratifiedKFold, TargetEncoder, multi_hot


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("count", "k"), [(10, 5), (11, 3), (7, 7), (100, 2)])
def test_k_folds_cover_everything_once(count, k, shuffle):
    labels = np.random.default_rng(count).integers(0, 3, count)
    splitters = [KFold(k, shuffle=shuffle)] + ([StratifiedKFold(k, shuffle=shuffle)] if count > 20 else [])
    for splitter in splitters:
        args = (labels,) if isinstance(splitter, StratifiedKFold) else ()
        tests = []
        for train, test in splitter.split(range(count), *args):
            assert sorted([*train, *test]) == list(range(count))
            tests.append(test)
        assert len(tests) == splitter.get_n_splits() == k
        assert sorted(np.concatenate(tests)) == list(range(count))
        assert max(map(len, tests)) - min(map(len, tests)) <= 1


def test_shares_of_classes():
    labels = nc.tensor(np.random.default_rng(0).permutation([0] * 50 + [1] * 30 + [2] * 20))
    for _, test in StratifiedKFold(10, shuffle=True).split(range(100), labels):
        assert np.bincount(labels.numpy()[test]).tolist() == [5, 3, 2]


def test_the_seed_decides():
    def folds(seed):
        nc.manual_seed(seed)
        return [test.tolist() for _, test in KFold(3, shuffle=True).split(range(20))]

    assert folds(1) == folds(1) != folds(2)
    own = [KFold(3, shuffle=True, generator=nc.Generator().manual_seed(5)).split(range(20)) for _ in range(2)]
    assert [t.tolist() for _, t in own[0]] == [t.tolist() for _, t in own[1]]


def test_folds_like_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    random = np.random.default_rng(3)
    for count, k in [(23, 4), (60, 7)]:
        labels = random.choice(["b", "a", "c"], count, p=[0.3, 0.5, 0.2])
        for ours, theirs in zip(KFold(k).split(labels), selection.KFold(k).split(labels)):
            np.testing.assert_array_equal(ours[1], theirs[1])
        pairs = zip(StratifiedKFold(k).split(labels, labels), selection.StratifiedKFold(k).split(labels, labels))
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KFold(1), "KFold: expected n_splits of 2 or more, got 1"),
        (lambda: KFold(4).split(range(3)), "n_splits=4 greater than the number of samples: 3"),
        (lambda: StratifiedKFold(3).split(range(6), [0, 0, 1, 1, 2, 2]), "number of members of each class"),
        (lambda: StratifiedKFold(2).split(range(6), [0, 1]), "expected one label for each of 6 samples"),
        (lambda: multi_hot([[0], [3]], 3), r"expected labels of 0 to 2, got \[3\] for sample 1"),
        (lambda: multi_hot([[-1]], 3), r"expected labels of 0 to 2, got \[-1\] for sample 0"),
        (lambda: multi_hot([[0.5]], 3), r"expected labels of 0 to 2, got \[0.5\]"),
        (lambda: TargetEncoder(-1), "expected a smoothing of at least 0, got -1"),
        (lambda: TargetEncoder().fit([1, 2], [1.0]), "as many categories as targets, at least one, got 2 and 1"),
        (lambda: TargetEncoder().fit([], []), "as many categories as targets, at least one, got 0 and 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_multi_hot():
    rows = [nc.tensor([2, 0]), [1, 1], ()]
    assert multi_hot(rows, 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert multi_hot(rows, 3, dtype=nc.int64).dtype == nc.int64
    assert multi_hot([], 3).shape == (0, 3)


def test_target_encoding():
    categories, targets = np.array(["x", "y", "x", "x", "z"]), np.array([1.0, 0, 0, 1, 1])
    codes = TargetEncoder(smoothing=2.0).fit_transform(categories, targets)
    mean = targets.mean()
    expected = {"x": (2 + 2 * mean) / 5, "y": (0 + 2 * mean) / 3, "z": (1 + 2 * mean) / 3}
    np.testing.assert_allclose(codes.numpy(), [expected[c] for c in categories])
    np.testing.assert_allclose(TargetEncoder(0).fit_transform(categories, targets).numpy()[:2], [2 / 3, 0])
    far = TargetEncoder(1e12).fit_transform(nc.tensor([3, 3, 5]), nc.tensor([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(far.numpy(), 2 / 3)
    with pytest.raises(RuntimeError, match="call fit before transform"):
        TargetEncoder().transform(["x"])


def test_folds_keep_a_target_out_of_its_own_code():
    """Categories that occur once say nothing about their target, unless the code has seen it."""
    categories, targets = np.arange(40), np.random.default_rng(0).integers(0, 2, 40).astype(float)
    leaky = TargetEncoder(1.0).fit_transform(categories, targets).numpy()
    clean = TargetEncoder(1.0).fit_transform(categories, targets, folds=KFold(5)).numpy()
    assert np.corrcoef(leaky, targets)[0, 1] > 0.99
    for train, test in KFold(5).split(categories):
        np.testing.assert_allclose(clean[test], targets[train].mean())


def write_folder(root):
    from PIL import Image

    for name, count in (("dog", 2), ("cat", 3)):
        folder = root / name / "deep" if name == "dog" else root / name
        folder.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (4, 3), (i, 10, 20)).save(folder / f"{i}.PNG", format="PNG")
        (folder / "notes.txt").write_text("no image")
    return root


def test_image_folder(tmp_path):
    pytest.importorskip("PIL")
    data = ImageFolder(write_folder(tmp_path), nc.data.transforms.ToTensor(), target_transform=lambda t: -t)
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    assert data.targets == [0, 0, 0, 1, 1]
    assert data.imgs is data.samples
    image, target = data[4]
    assert target == -1
    np.testing.assert_allclose(image[:, 0, 0].numpy() * 255, [1, 10, 20], rtol=1e-6)
    images, targets = next(iter(nc.data.DataLoader(data, batch_size=5)))
    assert images.shape == (5, 3, 3, 4)
    assert targets.tolist() == [0, 0, 0, -1, -1]
    plain = ImageFolder(tmp_path, loader=str, is_valid_file=lambda path: path.endswith(".txt"))
    assert [str(item[0])[-9:] for item in plain] == ["notes.txt"] * 2
    assert ImageFolder(tmp_path)[0][0].mode == "RGB"


def test_image_folder_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no valid file for the classes empty. Supported extensions are: .jpg"):
        ImageFolder(tmp_path)
    assert len(ImageFolder(tmp_path, allow_empty=True)) == 0
