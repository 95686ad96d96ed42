"""The figures: what is on them, checked in the figure objects; how they look is for eyes."""

from xml.etree import ElementTree

import numpy as np
import pytest

import nncore as nc

pytest.importorskip("matplotlib")

import itertools

from nncore import viz
from nncore.viz.layered import Layout


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


def test_network_writes_every_label():
    figure = viz.network([["1", "2"], ["a long name"]], [[["w1", "w2"]]], ["in", "out"], "title")
    assert {t.get_text() for t in figure.axes[0].texts} == {"1", "2", "a long name", "w1", "w2", "in", "out"}


def test_matrix_writes_every_value():
    figure = viz.matrix(np.array([[1, 2], [3, 4.5]]), ["a", "b"], ["c", "d"], "title", "unit")
    assert [t.get_text() for t in figure.axes[0].texts] == ["1", "2", "3", "4.5"]


def test_with_derivative_draws_the_derivative():
    figure = viz.with_derivative({"square": lambda x: x * x}, low=-1, high=1)
    value, slope = figure.axes[0].lines[:2]
    np.testing.assert_allclose(value.get_ydata(), value.get_xdata() ** 2)
    np.testing.assert_allclose(slope.get_ydata(), 2 * value.get_xdata())


def chain(length):
    x = nc.tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(length):
        y = y * 1.5 + x
    return y.sum(), x


@pytest.mark.parametrize("with_dot", [False, True])
def test_graph(with_dot, monkeypatch, tmp_path):
    if not with_dot:
        monkeypatch.setattr("shutil.which", lambda name: None)
    result, x = chain(3)
    drawing = viz.graph(result, {"x": x})
    assert [v.label for v in drawing.vertices].count("mul") == 3
    assert drawing.edges[0].label == "x = (1, 2)\ngradient (8.12, 8.12)"
    root = ElementTree.fromstring(drawing.save(tmp_path / "graph.svg").read_text(encoding="utf-8"))
    texts = {"".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"x", "mul", "add", "sum", "result"} <= texts
    assert drawing.dot.count(" -> ") == len(drawing.edges)
    assert x.grad is None
    result.backward()  # the tape is still whole
    assert x.grad.tolist() == [8.125, 8.125]


def test_graph_keeps_vertices_apart(monkeypatch):
    drawing = viz.graph(chain(6)[0])
    layout = Layout(drawing.vertices, drawing.edges)
    for column in layout.columns:
        points = [layout.points[i] for i in column]
        assert all(b.y - a.y >= (a.room + b.room) / 2 - 1e-6 for a, b in itertools.pairwise(points))
    for edge in drawing.edges:
        assert layout.points[edge.start].layer < layout.points[edge.end].layer


def test_graph_without_a_tape():
    with pytest.raises(ValueError, match="graph: the result was not computed from a tensor that requires a gradient"):
        viz.graph(nc.ones(2))


def test_paths_and_their_animation(tmp_path):
    bowl = viz.Landscape("bowl", lambda x, y: x * x + y * y, (-2, 2), (-2, 2), (0, 0))
    ways = {"a": np.array([[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]), "b": np.array([[1.0, 1.0], [np.inf, 0.0]])}
    figure = viz.paths({bowl: ways})
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(drawn["a"].get_xydata(), ways["a"])
    assert np.isnan(drawn["b"].get_xydata()[1]).all()
    viz.animate_paths({bowl: ways}, frames=3).save(tmp_path / "walk.gif", writer="pillow")
    assert (tmp_path / "walk.gif").read_bytes().startswith(b"GIF89a")


def test_decision_boundary():
    net = nc.nn.Sequential(nc.nn.Linear(2, 3), nc.nn.Dropout(0.5))
    net.train()
    points, labels = nc.randn(30, 2), nc.randint(0, 3, (30,))
    figure = viz.decision_boundary(net, points, labels, ["a", "b", "c"], "title", steps=20)
    assert net.training
    (regions,) = figure.axes[0].images
    x0, _, y0, _ = regions.get_extent()
    with nc.no_grad():
        corner = net[0](nc.tensor([[x0, y0]])).argmax(1).item()
    assert regions.get_array()[0, 0] == corner
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines) == 30


def test_image_grid():
    figure = viz.image_grid({"one": np.zeros((3, 4, 5)), "two": np.ones((2, 4, 5, 3))}, "abc", "title")
    shown = [bool(axes.images) for axes in figure.axes]
    assert shown == [True, True, True, True, True, False]
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "b", "c"]
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["one", "two"]
    figure.canvas.draw()
    with pytest.raises(ValueError, match="image_grid: expected at least one row with an image"):
        viz.image_grid({"none": []})


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_kernels(channels):
    weight = nc.randn(5, channels, 3, 3)
    figure = viz.kernels(weight, columns=3)
    images = [axes.images[0] for axes in figure.axes if axes.images][:5]
    expected = (
        weight[4, 0].numpy()
        if channels != 3
        else 0.5 + 0.5 * weight[4].permute(1, 2, 0).numpy() / weight.abs().max().item()
    )
    np.testing.assert_allclose(images[4].get_array(), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"kernels: expected a weight \[K, C, R, S\]"):
        viz.kernels(nc.randn(3, 3))
