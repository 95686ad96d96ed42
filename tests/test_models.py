"""The networks: parameter counts, shapes, a training step, and eight samples learnt by heart."""

import numpy as np
import pytest

import nncore as nc
from nncore import models, nn
from nncore.models.resnet import BasicBlock, Bottleneck, SEBottleneck
from nncore.models.vgg import make_layers
from nncore.nn import functional as F


@pytest.mark.parametrize(
    ("make", "shape", "parameters"),
    [
        (lambda: models.MLP(784, (256, 128), 10), (1, 28, 28), 235_146),
        (lambda: models.MLP(4, (), 3), (4,), 15),
        (lambda: models.MLP(4, (5,), 3, nn.Tanh, dropout=0.5, norm=nn.BatchNorm1d), (4,), 53),
        (lambda: models.LeNet5(), (1, 28, 28), 61_706),
        (lambda: models.LeNet5(5, image_size=32), (1, 32, 32), 61_281),
        (lambda: models.SmallCNN(), (1, 28, 28), 421_642),
        (lambda: models.SmallCNN(3, 7, image_size=9, width=4, hidden=5), (3, 9, 9), 615),
    ],
)
def test_forward_and_backward(make, shape, parameters):
    nc.manual_seed(0)
    model = make()
    assert sum(p.numel() for p in model.parameters()) == parameters
    x = nc.from_numpy(np.random.default_rng(0).standard_normal((6, *shape), dtype=np.float32))
    y = model(x)
    assert y.shape == (6, [p.shape[0] for p in model.parameters()][-1])
    y.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    model.eval()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())


def test_image_sizes():
    with pytest.raises(ValueError, match="image_size should be 28 or 32, got 8"):
        models.LeNet5(image_size=8)
    with pytest.raises(ValueError, match="at least 4, got 3"):
        models.SmallCNN(image_size=3)
    for make in (models.DCGANGenerator, models.DCGANCritic):
        with pytest.raises(ValueError, match=r"image_size should be 8, 16, 32, 64, \.\.\., got 48"):
            make(image_size=48)
        with pytest.raises(ValueError, match=r"norm should be one of .* got 'weight'"):
            make(norm="weight")
    with pytest.raises(ValueError, match=r"depth should be 6 n \+ 2, got 21"):
        models.CifarResNet(21)
    with pytest.raises(ValueError, match=r"depth should be 6 n \+ 4, got 20"):
        models.WideResNet(20)


# As torchvision has them, and the papers to the digits that they give; tests/peer/test_models.py compares the first.
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "densenet121": 7_978_856,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mobilenet_v2": 3_504_872,
    # Hu et al. 2018, table 2 of the supplement, to three digits: 28.1 M and 27.6 M.
    "se_resnet50": 28_088_024,
    "se_resnext50_32x4d": 27_559_896,
    # He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 M.
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    # Zagoruyko and Komodakis 2016: 36.5 M.
    "wrn_28_10": 36_479_194,
    # PyTorch's DCGAN example.
    "DCGANGenerator": 3_576_704,
    "DCGANCritic": 2_765_568,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name):
    with nn.init.skipped():
        model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def test_every_network_is_counted():
    functions = {n for n in models.__all__ if n.islower()}
    assert functions - PARAMETERS.keys() == set()


def small_vgg() -> nn.Module:
    model = models.VGG(make_layers([[8], [8], [16], [16], [512]], batch_norm=True), 4, init_weights=True)
    model.classifier = nn.Linear(512 * 7 * 7, 4)
    return model


def small_alexnet() -> nn.Module:
    model = models.AlexNet(4)
    model.classifier = nn.Linear(256 * 6 * 6, 4)
    return model


def small_googlenet() -> nn.Module:
    model = models.GoogLeNet(4, dropout=0.0, dropout_aux=0.0)
    for module in model.modules():  # the paper's start is slow, and here there are few steps
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return model


# The smallest networks that have every part of the family, and the extents of their images.
SMALL = {
    "MLP": (lambda: models.MLP(192, (32,), 4), (3, 8, 8)),
    "LeNet5": (lambda: models.LeNet5(4), (1, 28, 28)),
    "SmallCNN": (lambda: models.SmallCNN(3, 4, 8, dropout=0.0), (3, 8, 8)),
    "AlexNet": (small_alexnet, (3, 63, 63)),
    "VGG": (small_vgg, (3, 32, 32)),
    "GoogLeNet": (small_googlenet, (3, 32, 32)),
    "ResNet": (lambda: models.ResNet(BasicBlock, [1, 1, 1, 1], 4), (3, 32, 32)),
    "ResNeXt": (lambda: models.ResNet(Bottleneck, [1, 1, 1, 1], 4, groups=32, width_per_group=4), (3, 32, 32)),
    "Wide ResNet": (lambda: models.ResNet(Bottleneck, [1, 1, 1, 1], 4, width_per_group=128), (3, 32, 32)),
    "SE-ResNet": (lambda: models.ResNet(SEBottleneck, [1, 1, 1, 1], 4), (3, 32, 32)),
    "SE-ResNeXt": (lambda: models.ResNet(SEBottleneck, [1, 1, 1, 1], 4, groups=32, width_per_group=4), (3, 32, 32)),
    "CifarResNet": (lambda: models.CifarResNet(8, 4), (3, 16, 16)),
    "plain": (lambda: models.CifarResNet(8, 4, residual=False), (3, 16, 16)),
    "WideResNet": (lambda: models.WideResNet(10, 1, 4, dropout=0.1), (3, 16, 16)),
    "DenseNet": (lambda: models.DenseNet(8, (2, 2), 8, num_classes=4), (3, 32, 32)),
    "MobileNetV2": (lambda: models.MobileNetV2(4, width_mult=0.25, dropout=0.0), (3, 32, 32)),
}


@pytest.mark.parametrize("name", SMALL)
def test_overfits_eight_samples(name):
    """After few steps all eight are right, and every parameter has had a gradient that is not zero."""
    make, shape = SMALL[name]
    nc.manual_seed(0)
    model = make()
    random = np.random.default_rng(0)
    x = nc.tensor(random.standard_normal((8, *shape)).astype("float32"))
    labels = nc.tensor(np.arange(8) % 4)
    optimizer = nc.optim.Adam(model.parameters(), lr=5e-4 if name == "AlexNet" else 2e-3)
    moved = set()
    for _ in range(60):
        outputs = model(x)
        heads = outputs if isinstance(outputs, tuple) else (outputs,)
        weights = (1.0, 0.3, 0.3)  # GoogLeNet's
        loss = sum(w * F.cross_entropy(y, labels) for y, w in zip(heads, weights, strict=False))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        moved |= {n for n, p in model.named_parameters() if p.grad is not None and bool((p.grad != 0).any())}
        if loss.item() < 0.1:
            break
    assert loss.item() < 0.1
    assert bool((heads[0].argmax(1) == labels).all())
    assert {n for n, _ in model.named_parameters()} == moved


@pytest.mark.parametrize("name", [n for n in PARAMETERS if n.islower()])
def test_every_network_trains_a_step(name):
    """In its own width and depth: every weight has a gradient, and moves."""
    nc.manual_seed(0)
    with nn.init.skipped():  # their classifiers alone would take a second
        model = getattr(models, name)(num_classes=4)
        if name.startswith(("alexnet", "vgg")):
            first = next(m for m in model.classifier if isinstance(m, nn.Linear))
            model.classifier = nn.Linear(first.in_features, 4)
    for p in model.parameters():
        nn.init.kaiming_normal_(p) if p.ndim > 1 else nn.init.ones_(p)
    extent = 64 if name == "alexnet" else 32
    outputs = model(nc.randn(2, 3, extent, extent))
    heads = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = sum(F.cross_entropy(y, nc.tensor([1, 3])) for y in heads)
    assert np.isfinite(loss.item())
    loss.backward()
    weights = [p for p in model.parameters() if p.ndim > 1]  # a bias before a normalisation moves nothing
    assert all(bool((p.grad != 0).any()) for p in weights)
    before = [p.detach().clone() for p in weights]
    nc.optim.SGD(model.parameters(), lr=1.0).step()
    assert all(bool((p != q).any()) for p, q in zip(weights, before))


def test_dcgan_learns_eight_images():
    """The generator alone, from fixed latents; then both play one Wasserstein step with the gradient penalty."""
    nc.manual_seed(0)
    generator = models.DCGANGenerator(8, channels=1, width=16, image_size=8)
    critic = models.DCGANCritic(channels=1, width=8, image_size=8, norm="layer")
    images = nc.tensor(np.sign(np.random.default_rng(0).standard_normal((8, 1, 8, 8))).astype("float32") * 0.9)
    latents = nc.randn(8, 8)
    optimizer = nc.optim.Adam(generator.parameters(), lr=0.01)
    for _ in range(150):
        loss = F.mse_loss(generator(latents), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05

    between = (images + generator(latents).detach()) / 2
    between.requires_grad_()
    (gradient,) = nc.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    (critic(generator(latents).detach()).mean() - critic(images).mean() + 10 * penalty).backward()
    assert all(bool((p.grad != 0).any()) for p in critic.parameters() if p.ndim > 1)
    generator.zero_grad()
    (-critic(generator(latents)).mean()).backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in generator.parameters())


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_dcgan_critic_learns_eight_images(norm):
    nc.manual_seed(0)
    critic = models.DCGANCritic(channels=1, width=8, image_size=8, norm=norm)
    images, labels = nc.randn(8, 1, 8, 8), nc.arange(8).remainder(2).to(nc.float32)
    optimizer = nc.optim.Adam(critic.parameters(), lr=0.005)
    for _ in range(60):
        loss = F.binary_cross_entropy_with_logits(critic(images).flatten(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_the_critic_without_batch_norm_looks_at_one_image_at_a_time():
    nc.manual_seed(0)
    x = nc.randn(4, 1, 16, 16)
    for norm in ("instance", "layer", None):
        critic = models.DCGANCritic(channels=1, width=4, image_size=16, norm=norm)
        alone = np.concatenate([critic(x[i : i + 1]).detach().numpy() for i in range(4)])
        np.testing.assert_allclose(critic(x).detach().numpy(), alone, rtol=1e-4, atol=1e-6)


def test_weights_from_a_file(tmp_path):
    nc.manual_seed(0)
    model = models.resnet20(num_classes=3)
    nc.save(model.state_dict(), tmp_path / "weights.safetensors")
    again = models.resnet20(num_classes=3, weights=tmp_path / "weights.safetensors")
    for (name, a), b in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
    with pytest.raises(RuntimeError, match=r"size mismatch for fc\.weight"):
        models.resnet20(num_classes=4, weights=tmp_path / "weights.safetensors")


def test_zero_init_residual_starts_as_the_identity():
    nc.manual_seed(0)
    for block in (BasicBlock, Bottleneck):
        model = models.ResNet(block, [2, 1, 1, 1], 4, zero_init_residual=True)
        x = nc.randn(2, 64 * block.expansion, 4, 4).relu()
        np.testing.assert_array_equal(model.layer1[1](x).detach().numpy(), x.numpy())


def test_plain_and_residual_twins_are_the_same_size():
    count = [sum(p.numel() for p in models.CifarResNet(20, residual=r).parameters()) for r in (True, False)]
    assert count[0] == count[1]


def test_googlenet_outputs():
    model = models.GoogLeNet(5, init_weights=False)
    x = nc.zeros(2, 3, 64, 64)
    assert [tuple(y.shape) for y in model(x)] == [(2, 5)] * 3
    assert model.eval()(x).shape == (2, 5)
    assert models.GoogLeNet(5, aux_logits=False, init_weights=False)(x).shape == (2, 5)


# Multiply-adds in units of 10^9 at 224x224, as torchvision's documentation has them.
MULT_ADDS = {
    "alexnet": 0.714,
    "resnet18": 1.814,
    "resnet50": 4.089,
    "resnext50_32x4d": 4.23,
    "mobilenet_v2": 0.301,
    "googlenet": 1.498,
    "densenet121": 2.834,
    "vgg11": 7.609,
}


@pytest.mark.parametrize("name", MULT_ADDS)
def test_summary_counts_multiply_adds(name):
    with nn.init.skipped():
        model = getattr(models, name)()
    for p in model.parameters():
        p.requires_grad_(False)
    numbers = nc.summary(model, (3, 224, 224), verbose=False)
    assert round(numbers.mult_adds / 1e9, 3) == MULT_ADDS[name]
    assert numbers.parameters == PARAMETERS[name]
    assert numbers.trainable == 0


def test_summary_of_layers_of_many_kinds(capsys):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(4, 4)
            self.up = nn.ConvTranspose1d(4, 2, 3, stride=2, bias=False)

        def forward(self, x, y):
            return self.up((self.shared(x) + self.shared(y)).unsqueeze(-1)), y

    model = Twice().train()
    numbers = nc.summary(model, [(4,), (4,)], batch_size=5)
    assert model.training
    assert model.shared.training
    assert [row.parameters for row in numbers.rows] == [20, 0, 24]  # counted where they are first used
    assert [row.mult_adds for row in numbers.rows] == [80, 80, 5 * 24]
    assert numbers.rows[2].output == "[5, 2, 3]"
    assert numbers.input == "[5, 4], [5, 4]"
    assert str(numbers) in capsys.readouterr().out
    assert not model.shared._forward_hooks

    embedding = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(6, 2))
    assert nc.summary(embedding, (2,), dtype=nc.int64, verbose=False).rows[0].output == "[1, 2, 3]"


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_summary_counts_recurrent_layers(kind):
    gates = {nn.RNN: 1, nn.LSTM: 4, nn.GRU: 3}[kind]
    layer = kind(5, 7, num_layers=2, bidirectional=True, batch_first=True)
    row = nc.summary(layer, (11, 5), batch_size=3, verbose=False).rows[0]
    assert row.output.startswith("[3, 11, 14]")
    assert row.mult_adds == 3 * 11 * 2 * gates * 7 * ((5 + 7) + (14 + 7))
    cell = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[kind](5, 7)
    assert nc.summary(cell, (5,), batch_size=3, verbose=False).mult_adds == 3 * gates * 7 * (5 + 7)

    class Packs(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(nn.utils.rnn.pack_padded_sequence(x, [11, 4], batch_first=True))[1]

    packed = nc.summary(Packs(), (11, 5), batch_size=2, verbose=False)
    assert packed.mult_adds == row.mult_adds // (3 * 11) * 15


def test_summary_counts_attention():
    """Every parameter is in the table, and the products of queries, keys and values are counted."""
    length, width = 9, 8
    encoder = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True)
    numbers = nc.summary(encoder, (length, width), batch_size=3, verbose=False)
    rows = {row.name: row for row in numbers.rows}
    assert rows["self_attn"].mult_adds == 3 * (4 * length * width**2 + 2 * length**2 * width)
    assert rows["self_attn"].parameters == 4 * width * (width + 1)
    assert numbers.mult_adds == rows["self_attn"].mult_adds + 3 * length * 2 * width * 16
    assert sum(row.parameters for row in numbers.rows) == numbers.parameters

    attention = nn.MultiheadAttention(width, 2, kdim=3, vdim=5)
    numbers = nc.summary(attention, [(2, width), (2, 3), (2, 5)], batch_size=4, verbose=False)  # length first
    assert numbers.mult_adds == 2 * 4 * width * (2 * width + 3 + 5) + 2 * 2 * 4 * 4 * width


@pytest.mark.parametrize("make", [models.TransformerLM, models.TransformerClassifier, models.CharRNN])
def test_summary_of_sequence_models_lists_every_parameter(make):
    model = make(*{"TransformerClassifier": (20, 3)}.get(make.__name__, (20,)))
    numbers = nc.summary(model, (7,), dtype=nc.int64, verbose=False)
    assert sum(row.parameters for row in numbers.rows) == numbers.parameters
    assert sum(row.mult_adds for row in numbers.rows) > 7 * 1000


def test_summary_leaves_the_model_as_it_was_after_an_error():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(5, 1)).train()
    with pytest.raises(RuntimeError):
        nc.summary(model, (3,))
    assert all(m.training and not m._forward_hooks for m in model.modules())


def test_skipped_initialisation():
    with nn.init.skipped():
        assert nn.Linear(3, 2).weight.shape == (2, 3)
        x = nc.zeros(4, 4)
        for fill in (nn.init.uniform_, nn.init.normal_, nn.init.ones_, nn.init.eye_, nn.init.xavier_normal_):
            assert not bool((fill(x) != 0).any())
    assert bool((nn.init.ones_(x) == 1).all())
    with pytest.raises(RuntimeError, match="Expected a Module; got <class 'int'>"):
        nn.utils.skip_init(int)
