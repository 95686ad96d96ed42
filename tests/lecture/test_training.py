"""What the lecture says of training, seen in the programs' own figures."""

import numpy as np
import pytest


def test_07_optimizers(lecture):
    program = lecture(7)
    saddle, ravine, beale = (program.final[name] for name in ("saddle", "ravine", "Beale's function"))
    assert saddle["Newton"] == pytest.approx(0, abs=1e-6)  # it stays on the saddle
    assert all(loss < -1.9 for name, loss in saddle.items() if name != "Newton")
    assert ravine["Newton"] == 0
    assert ravine["momentum"] < ravine["SGD"] < 0.01
    assert beale["Adam"] < beale["SGD"] < 0.5 < beale["Newton"]
    assert program.adam_way[-1] > 0.9
    assert program.amsgrad_way[-1] < -0.9
    assert [p.suffix for p in program.pictures].count(".gif") == 1


def test_09_vanishing_gradients(lecture):
    program = lecture(9)
    shallow, deep = program.DEPTHS[0], program.DEPTHS[-1]
    assert program.ratios["sigmoid"][deep] < 1e-6 < program.ratios["sigmoid"][shallow]
    for kind in ("tanh", "ReLU", "residual"):
        assert 0.05 < program.ratios[kind][deep] < 20
    assert program.accuracy["residual"][deep] > 0.6 > program.accuracy["sigmoid"][deep]


def test_10_convolution_by_hand(lecture):
    program = lecture(10)
    assert program.by_hand.shape == (2, 3, 3)
    assert np.array_equal(program.by_hand, program.by_layer.numpy())
    corner = np.pad(program.image, ((0, 0), (1, 1), (1, 1)))[:, :3, :3]
    assert program.by_hand[0, 0, 0] == (corner * program.filters[0]).sum() + 1
    assert program.difference_1x1 < 1e-5
    assert program.edges.sum().item() == 0
    assert program.largest[0, 0].tolist()[0] == [9, 2, 3, 5]
    assert program.mean[0, 0].tolist()[0] == [3.75, 1.25, 1.5, 2.5]
    assert tuple(program.halved) == (1, 64, 112, 112)
    assert len(program.pictures) == 3


def test_11_universal_approximation(lecture):
    program = lecture(11)
    errors = [error for error, _ in program.fits.values()]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-2 * errors[0]
    for sizes in program.reach.values():  # that both are exact is asserted by the program itself
        assert sizes["deep"] > sizes["shallow"]
    parameters = [runs[0][0] for runs in program.learned.values()]
    assert max(parameters) - min(parameters) <= 2
    assert all(share > 0.6 for share in (np.mean([share for _, share in runs]) for runs in program.learned.values()))


def test_12_regularisation(lecture):
    results = lecture(12).results
    plain = results["none"]
    assert plain["test"][-1] > min(plain["test"]) + 0.3  # it overfits
    for remedy in ("L1", "L2", "dropout 0.5"):
        assert results[remedy]["test"][-1] < plain["test"][-1]
        assert results[remedy]["accuracy"] > plain["accuracy"]
    assert results["L1"]["zeros"] > 0.5 > results["L2"]["zeros"]
    assert plain["zeros"] < 0.02


def test_13_batch_online_minibatch(lecture):
    results = lecture(13).results
    assert {name: updates for name, (updates, _, _) in results.items()} == {
        "batch": 1,
        "online": 1000,
        "mini-batch": 20,
    }
    last = {name: losses[-1] for name, (_, losses, _) in results.items()}
    assert last["online"] < last["mini-batch"] < last["batch"]
    assert last["batch"] == pytest.approx(2.3, abs=0.2)


def test_18_cpu_and_gpu(lecture):
    program = lecture(18)
    assert set(program.times) >= {"plain Python", "one CPU core"}
    assert program.times["one CPU core"].keys() == set(program.SIZES)
    assert program.times["plain Python"][64] > program.times["one CPU core"][64]
    assert ("GPU" in program.times) == program.GPU
    assert "GFLOP/s" in program.printed


def test_15_wgan(lecture):
    program = lecture(15)
    for run in program.gaussians.values():
        assert run["history"]["true"][-1] < run["history"]["true"][0]
    penalty, clipping = program.gaussians["gradient penalty"], program.gaussians["clipping, c = 0.05"]
    assert penalty["slopes"].mean() == pytest.approx(1, abs=0.25)
    assert clipping["slopes"].mean() < 0.5
    assert program.true_distance(np.zeros((3, 2)), np.full((3, 2), 3.0)) == pytest.approx(3 * 2**0.5)
    assert program.covered(program.eight_gaussians(400).numpy()) == 8
    assert len(program.pictures) == 3


def test_16_memory(lecture):
    program = lecture(16)
    fading = {kind: norms[50] / norms[0] for kind, norms in program.by_age.items()}
    assert fading["RNN"] < 1e-8 < 1e-5 < fading["GRU"]
    assert fading["LSTM"] > 1e-3
    for kind in ("LSTM", "GRU"):
        assert program.recall[kind][20] > 0.9
    assert program.text.startswith("The Zen of Python")
    for losses, _ in program.texts.values():
        assert losses[-1] < losses[0]


def test_14_convolutional_networks(lecture):
    program = lecture(14)
    assert program.cnn_losses[-1] < program.cnn_losses[0]
    assert program.cnn_accuracy > 0.5
    assert set(program.curves) == {"residual", "plain"}
    parameters, flops, seconds = program.table["ResNet-20 (2015)"]
    assert 0.26e6 < parameters < 0.28e6  # the paper says 0.27 million
    assert 80e6 < flops < 84e6
    assert seconds > 0


def test_17_inside_a_cnn(lecture):
    program = lecture(17)
    assert program.cost["as trained"] > 0.5
    assert program.fold_error < 1e-4  # float32 rounding of scores of about 10, over eight layers
    assert program.fold_difference < 1e-6
    assert program.cost["batch norm folded"] == pytest.approx(program.cost["as trained"], abs=0.01)
    assert program.cost["weights in 8 bits"] == pytest.approx(program.cost["as trained"], abs=0.03)
    assert program.zeros == pytest.approx(0.9, abs=0.02)
    integers, scale = program.quantise(program.net[0].weight, 8)
    assert np.abs(integers).max() == 127
    assert np.abs(integers * scale - program.net[0].weight.detach().numpy()).max() <= scale.max() / 2 + 1e-7
    for _, saliency, cam in program.explained.values():
        assert saliency.shape == program.test_images.shape[2:]
        assert 0 <= cam.min() <= cam.max() <= 1
    assert len(program.pictures) == 3
