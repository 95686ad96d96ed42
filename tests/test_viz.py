"""The figures: what is on them, checked in the figure objects; how they look is for eyes."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from nncore import viz


def row(epoch):
    return {
        "epoch": epoch,
        "train_loss": 1 / epoch,
        "test_loss": 1.1 / epoch,
        "train_accuracy": 1 - 0.5 / epoch,
        "test_accuracy": 1 - 0.6 / epoch,
    }


def test_learning_curve(tmp_path):
    figure = viz.learning_curve([row(epoch) for epoch in range(1, 6)], "digits, cnn")
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "cross-entropy loss [nats]"
    assert accuracy.get_ylabel() == "accuracy [%]"
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training (running mean)", "test"]
    np.testing.assert_allclose(
        accuracy.lines[1].get_ydata(), [100 * row(epoch)["test_accuracy"] for epoch in range(1, 6)]
    )
    assert accuracy.texts[0].get_text() == "test, last epoch: 88.00 %"
    figure.savefig(tmp_path / "curve.png")
    viz.learning_curve([row(1)]).savefig(tmp_path / "one.png")
    viz.learning_curve([]).savefig(tmp_path / "none.png")


def test_prediction_grid(tmp_path):
    labels = np.arange(11) % 3
    predictions = labels.copy()
    predictions[4] = 2
    images = np.zeros((11, 8, 8), np.uint8)
    examples = viz.Examples("some", images, labels, predictions, np.full(11, 0.5))
    none = viz.Examples("none", images[:0], labels[:0], predictions[:0], np.zeros(0))
    figure = viz.prediction_grid([examples, none], ("cat", "dog", "owl"), "animals")
    shown = [axes for axes in figure.get_axes() if axes.images]
    assert len(shown) == 11
    assert shown[0].get_title() == "cat (50 %)"
    assert shown[4].get_title() == "owl (50 %)\nis dog"
    assert shown[0].title.get_color() != shown[4].title.get_color()
    figure.savefig(tmp_path / "grid.png")
    viz.prediction_grid([none], ("a",)).savefig(tmp_path / "none.png")
