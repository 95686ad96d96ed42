"""Training on CUDA from end to end beside the same on the CPU: small networks, every optimizer, state, files, data."""

import copy
import io
import json
import pickle

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.cli import main
from nncore.data import DataLoader, TensorDataset
from nncore.nn import functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


class Recurrent(nn.Module):
    """Characters to classes: embedding, two bidirectional layers with dropout between, the state at the end."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(9, 5, padding_idx=0)
        self.rnn = getattr(nn, kind)(5, 6, 2, batch_first=True, bidirectional=True, dropout=0.3)
        self.head = nn.Linear(12, 4)

    def forward(self, tokens, lengths):
        y, _ = self.rnn(self.embedding(tokens), lengths=lengths)
        return self.head(y.sum(1))


class Packed(Recurrent):
    """The same by way of a packed sequence."""

    def forward(self, tokens, lengths):
        pack = nn.utils.rnn.pack_padded_sequence(self.embedding(tokens), lengths.cpu(), True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(pack)[0], batch_first=True)
        return self.head(y.sum(1))


class Attention(nn.Module):
    """A transformer block over embedded tokens, causal, with the embedding's weights for the scores."""

    def __init__(self):
        super().__init__()
        self.embedding, self.places = nn.Embedding(9, 8), nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.1, activation="gelu", batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.places(nc.arange(tokens.shape[1], device=tokens.device))
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device)
        return F.linear(self.norm(self.block(x, mask)), self.embedding.weight).transpose(1, 2)


def cnn():
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.1), nn.AvgPool2d(2)),
        *(nn.Dropout(0.3), nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)),
    )


def mlp():
    return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Dropout(0.25), nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 4))


def features(random):
    return [random.standard_normal((7, 12)).astype(np.float32)], random.integers(0, 4, 7)


def images(random):
    return [random.standard_normal((6, 1, 8, 8)).astype(np.float32)], random.integers(0, 4, 6)


def text(random):
    tokens = random.integers(0, 9, (3, 6))
    return [tokens[:, :-1]], tokens[:, 1:]


def words(random):
    return [random.integers(1, 9, (4, 5)), np.array([3, 5, 1, 4])], random.integers(0, 4, 4)


NETWORKS = {
    "MLP": (mlp, features),
    "CNN": (cnn, images),
    "transformer": (Attention, text),
    "LSTM": (lambda: Recurrent("LSTM"), words),
    "GRU": (lambda: Recurrent("GRU"), words),
    "packed": (lambda: Packed("LSTM"), words),
}


def train(make, batches, device, steps=3):
    """(model, losses) after some steps, with the same starting values and dropped elements on every device."""
    random = np.random.default_rng(0)
    nc.manual_seed(0)
    model = make()
    model.to(device)
    nc.manual_seed(1)
    optimizer = nc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    losses = []
    for _ in range(steps):
        inputs, target = batches(random)
        optimizer.zero_grad()
        output = model(*(nc.tensor(x, device=device) for x in inputs))
        loss = F.cross_entropy(output, nc.tensor(target, device=device), label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def expect_same_state(got, expected, rtol=1e-4, atol=1e-5):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert (got[name].dtype, got[name].shape) == (value.dtype, value.shape)
        np.testing.assert_allclose(got[name].cpu().numpy(), value.cpu().numpy(), rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_learn_as_on_the_cpu(name):
    (expected, slow), (got, fast) = (train(*NETWORKS[name], device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(fast, slow, rtol=1e-4)
    assert all(value.is_cuda for value in got.state_dict().values())
    assert all(parameter.grad.is_cuda for parameter in got.parameters())
    expect_same_state(got.state_dict(), expected.state_dict())
    # And in the mode of use.
    inputs, _ = NETWORKS[name][1](np.random.default_rng(5))
    expected.eval()
    got.eval()
    with nc.no_grad():
        scores = got(*(nc.tensor(x, device="cuda") for x in inputs)).cpu().numpy()
        np.testing.assert_allclose(scores, expected(*map(nc.tensor, inputs)).numpy(), rtol=1e-3, atol=1e-4)


def test_gradients_have_the_same_bits_twice():
    first, second = (train(*NETWORKS["CNN"], "cuda", steps=2) for _ in range(2))
    assert first[1] == second[1]
    expect_same_state(first[0].state_dict(), second[0].state_dict(), rtol=0, atol=0)


OPTIMIZERS = ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"]
OPTIMIZERS += ["MovingAverageSGD", "RootEpsRMSprop", "LBFGS", "Newton"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_walk_the_same_way(name):
    random = np.random.default_rng(0)
    x, y = random.standard_normal((6, 3)), random.standard_normal((6, 2))
    settings = {"LBFGS": {"lr": 0.5, "max_iter": 4}, "Newton": {"damping": 20.0}}.get(name, {"lr": 0.02})
    states = []
    for device in ("cpu", "cuda"):
        nc.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(device, nc.float64)
        optimizer = getattr(nc.optim, name)(model.parameters(), **settings)
        inputs, target = nc.tensor(x, device=device), nc.tensor(y, device=device)

        def closure(model=model, optimizer=optimizer, inputs=inputs, target=target):
            optimizer.zero_grad()
            loss = F.mse_loss(model(inputs), target)
            if name != "Newton":
                loss.backward()
            return loss

        losses = [float(optimizer.step(closure)) for _ in range(3)]
        assert losses[-1] < losses[0]
        states.append(model.state_dict())
    expect_same_state(*reversed(states), rtol=1e-8, atol=1e-10)


def test_state_travels():
    """By state_dict, by file, by pickle and by copy; and loading leaves each value where its parameter is."""
    model, _ = train(*NETWORKS["CNN"], "cuda", steps=1)
    state = model.state_dict()
    on_cpu = cnn()
    on_cpu.load_state_dict(state)
    assert all(value.device.type == "cpu" for value in on_cpu.state_dict().values())
    expect_same_state(on_cpu.state_dict(), state, 0, 0)
    back = cnn().cuda()
    back.load_state_dict(on_cpu.state_dict())
    assert all(value.is_cuda for value in back.state_dict().values())
    expect_same_state(back.state_dict(), state, 0, 0)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert next(copied.parameters()).is_cuda
        expect_same_state(copied.state_dict(), state, 0, 0)
    pytest.importorskip("safetensors")
    file = io.BytesIO()
    nc.save(state, file)
    for place in (None, "cpu", "cuda"):
        file.seek(0)
        loaded = nc.load(file, map_location=place)
        assert {value.device.type for value in loaded.values()} == {place or "cpu"}
        expect_same_state(loaded, state, 0, 0)


def test_a_checkpoint_goes_on_on_the_cpu(tmp_path):
    pytest.importorskip("safetensors")
    x, y = nc.tensor([[1.0, 2.0], [3.0, -1.0]]), nc.tensor([[1.0], [0.0]])
    model = nn.Linear(2, 1).cuda()
    optimizer = nc.optim.Adam(model.parameters(), lr=0.1)

    def step(model, optimizer, device):
        optimizer.zero_grad()
        F.mse_loss(model(x.to(device)), y.to(device)).backward()
        optimizer.step()

    step(model, optimizer, "cuda")
    nc.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint")
    saved = nc.load(tmp_path / "checkpoint")
    other = nn.Linear(2, 1)
    other.load_state_dict(saved["model"])
    again = nc.optim.Adam(other.parameters(), lr=0.5)
    again.load_state_dict(saved["optimizer"])
    for _ in range(2):
        step(model, optimizer, "cuda")
        step(other, again, "cpu")
    expect_same_state(other.state_dict(), model.state_dict(), 1e-5, 1e-6)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_a_loader(workers):
    random = np.random.default_rng(0)
    x, y = random.standard_normal((10, 3)).astype(np.float32), random.integers(0, 2, 10)
    loader = DataLoader(TensorDataset(nc.tensor(x), nc.tensor(y)), 4, num_workers=workers, pin_memory=True)
    model = nn.Linear(3, 2).cuda()
    seen = 0
    for inputs, target in loader:
        inputs, target = inputs.to("cuda", non_blocking=True), target.cuda()
        F.cross_entropy(model(inputs), target).backward()
        np.testing.assert_array_equal(inputs.cpu().numpy(), x[seen : seen + 4])
        seen += len(target)
    assert seen == 10
    assert np.isfinite(model.weight.grad.cpu().numpy()).all()


def test_data_that_lies_on_the_device():
    x = nc.arange(10, device="cuda").float().reshape(5, 2)
    batches = [batch for (batch,) in DataLoader(TensorDataset(x), 2)]
    assert [len(b) for b in batches] == [2, 2, 1]
    assert all(b.is_cuda for b in batches)
    np.testing.assert_array_equal(nc.cat(batches).cpu().numpy(), x.cpu().numpy())


def test_initial_values_are_those_of_the_cpu():
    fills = [nn.init.xavier_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.trunc_normal_]
    fills += [lambda w: nn.init.sparse_(w, 0.3), nn.init.eye_, lambda w: nn.init.constant_(w, 3)]
    for fill in fills:
        values = []
        for device in ("cpu", "cuda"):
            nc.manual_seed(3)
            values.append(fill(nc.empty(5, 4, device=device)).cpu().numpy())
        np.testing.assert_allclose(*values, rtol=1e-6)
    nc.manual_seed(3)
    layer = nn.LSTM(3, 4, device="cuda")
    assert all(p.is_cuda for p in layer.parameters())


def test_averages_of_weights():
    model = nn.Linear(2, 2).cuda()
    average = nc.optim.swa_utils.AveragedModel(model)
    first = model.weight.detach().clone()
    average.update_parameters(model)
    nn.init.ones_(model.weight)
    average.update_parameters(model)
    np.testing.assert_allclose(
        average.module.weight.detach().cpu().numpy(), (first.cpu().numpy() + 1) / 2, rtol=1e-6, atol=1e-7
    )


def test_captured_steps_run_as_they_stand():
    model = nn.Linear(3, 1).cuda()
    optimizer = nc.optim.SGD(model.parameters(), lr=0.1)

    @nc.capture
    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = nc.ones(4, 3, device="cuda"), nc.zeros(4, 1, device="cuda")
    losses = [step(x, y).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_the_command_line_trains(tmp_path):
    for module in ("matplotlib", "safetensors", "tqdm"):
        pytest.importorskip(module)
    options = ["--model", "mlp", "--epochs", "1", "--batch-size", "500", "--threads", "1"]
    rows = []
    for device in ("cpu", "cuda"):
        assert main(["train", *options, "--device", device, "--out", str(tmp_path / device)]) == 0
        rows.append(json.loads((tmp_path / device / "metrics.json").read_text())["history"][-1])
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-3, abs=5e-3)


def test_packed_sequences_travel():
    packed = nn.utils.rnn.pack_sequence([nc.ones(2, 3), nc.ones(4, 3)], enforce_sorted=False)
    moved = packed.cuda()
    assert moved.is_cuda
    assert moved.sorted_indices.is_cuda
    assert not moved.batch_sizes.is_cuda
    assert not moved.cpu().is_cuda
    assert moved.to(nc.float64).data.dtype == nc.float64
    assert [len(s) for s in nn.utils.rnn.unpack_sequence(moved)] == [2, 4]


def test_indices_of_the_cpu_reach_anywhere():
    x = nc.arange(12, device="cuda").reshape(3, 4)
    expected = x.cpu().numpy()
    rows = nc.tensor([2, 0])
    np.testing.assert_array_equal(x[rows].cpu().numpy(), expected[[2, 0]])
    np.testing.assert_array_equal(x[rows, nc.tensor([1, 3])].cpu().numpy(), expected[[2, 0], [1, 3]])
    np.testing.assert_array_equal(x[x.cpu() > 5].cpu().numpy(), expected[expected > 5])
    x[[0, 1]] = nc.tensor(7)
    assert x[:2].tolist() == [[7] * 4] * 2
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        x.cpu()[rows.cuda()]
