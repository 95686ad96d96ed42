"""The numbers that the lecture computes by hand, to the digits given there."""

import pytest


def test_01_wine(lecture):
    program = lecture(1)
    assert program.said == "red"
    assert sum(program.probabilities.tolist()) == pytest.approx(1)
    assert program.accuracy >= 0.97
    assert program.with_four < program.accuracy
    assert program.confusion.sum() == 178


def test_02_forward_by_hand(lecture):
    program = lecture(2)
    assert program.u1.tolist() == [11, -14]
    assert program.h.tolist() == [11, 0]
    assert program.y.item() == program.by_hand == program.layers_say == 33
    assert program.loss.item() == 169


def test_03_backward_by_hand(lecture):
    program = lecture(3)
    assert program.y.item() == pytest.approx(0.95257194, abs=5e-9)
    w2 = [-1.72104507e00, -1.43112111e-06]
    w1 = [[-1.72463398e-04, -2.58695098e-04, -8.62316992e-05], [-5.72447970e-06, -8.58671954e-06, -2.86223985e-06]]
    for found in (program.chain_w2, program.w2.grad):
        assert found.tolist() == pytest.approx(w2, rel=5e-9)
    for found in (program.chain_w1, program.w1.grad):
        for row, expected in zip(found.tolist(), w1):
            assert row == pytest.approx(expected, rel=5e-9)
    assert "-1.72104507e+00" in program.printed


def test_04_activations(lecture):
    program = lecture(4)
    assert program.steepest["sigmoid"] == pytest.approx((0.25, 0.0))
    assert program.steepest["tanh"][0] == pytest.approx(1)
    assert 0.4 < program.dead["ReLU"] < 0.6
    assert program.dead["leaky ReLU (slope 0.1)"] == 0


def test_06_gradient_descent(lecture):
    program = lecture(6)
    assert program.first_step == [3.0, 1.5]
    assert program.paths[0.05][-1] == pytest.approx(3 * 0.95**20)
    assert abs(program.paths[0.5][-1]) < 1e-5
    assert abs(program.paths[2.1][-1]) > 15
    assert program.quiet[-1] == pytest.approx(0.9456, abs=1e-3)
    assert program.in_deep_valley > 0.5


def test_08_backpropagation(lecture):
    program = lecture(8)
    assert (program.a.grad.item(), program.b.grad.item()) == (6, 2)
    assert program.order == ["pow", "sub", "sigmoid", "matmul", "sigmoid", "matmul"]
    labels = {edge.label.split(" = ")[0]: edge.label for edge in program.drawing.edges}
    assert set(labels) == {"x", "W1", "w2", "u1", "h", "u2", "y", "error", "L"}
    assert all("gradient" in label for label in labels.values())
    assert f"gradient ({program.w2.grad[0].item():.3g}, " in labels["w2"]
    assert len(program.pictures) == 3


def test_05_losses(lecture):
    program = lecture(5)
    assert program.cross_entropies == pytest.approx({0.8: 0.22314355, 0.3: 1.2039728})
    assert program.mse == pytest.approx(1 / 6)
    assert program.fused.tolist()[-1] == 200
    assert program.split.tolist()[-1] == 100  # where the logarithm is cut off
    for d, found in program.apart.items():
        assert found["KL"] == pytest.approx(d * d / 2, abs=1e-3)
        assert found["Wasserstein"] == pytest.approx(d, abs=1e-3)
        assert found["JS"] <= 0.6931472
    assert program.disjoint["JS"] == pytest.approx(0, abs=1e-12)
    assert program.disjoint["Wasserstein"] == pytest.approx(1)
    assert program.overlapping["JS"] > 0.1
    assert not abs(program.disjoint["KL"]) < 1e300  # undefined: the divergence is infinite there
    assert len(program.pictures) == 2
