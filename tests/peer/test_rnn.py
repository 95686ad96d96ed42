"""Recurrent layers and cells beside PyTorch's: values, both gradients, words, errors, packed sequences."""

import re

import numpy as np
import pytest

import nncore as nc
from peer.modules import SEED, expect_equal, gradients, to_torch

torch = pytest.importorskip("torch")

SETTINGS = [
    {},
    {"bias": False},
    {"num_layers": 2},
    {"bidirectional": True, "batch_first": True},
    {"num_layers": 3, "bidirectional": True, "bias": False},
    {"num_layers": 2, "dropout": 1.0},  # the one probability at which dropout draws nothing
]
LAYERS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
MAKE = {torch: to_torch, nc: nc.tensor}


def pair(name, *args, dtype="float64", **settings):
    """The same layer in both libraries."""
    torch.manual_seed(SEED)
    theirs = getattr(torch.nn, name)(*args, **settings).to(getattr(torch, dtype))
    ours = getattr(nc.nn, name)(*args, **settings).to(getattr(nc, dtype))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    return theirs, ours


def flat(value):
    """All tensors of a nested result."""
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else [value]


def compare(theirs, ours, arrays, call, dtype="float64", what=""):
    """call(library, module, tensors) in both: the results, and two gradients of inputs and parameters."""
    random = np.random.default_rng(SEED)
    found, weights = [], None
    for library, module in ((torch, theirs), (nc, ours)):
        inputs = [MAKE[library](a).requires_grad_() for a in arrays]
        outputs = flat(call(library, module, inputs))
        inputs += list(module.parameters())
        if weights is None:
            weights = [random.standard_normal(tuple(t.shape)).astype(dtype) for t in (*outputs, *inputs)]
        total = sum((y * MAKE[library](w)).sum() for y, w in zip(outputs, weights, strict=False))
        one = np.ones((), dtype)
        values = [y.detach().numpy() for y in outputs]
        found.append(values + gradients(library, total, inputs, [one, *weights[len(outputs) :]]))
    expect_equal(found[1], found[0], dtype, f"{what} seed {SEED}")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("name", "more"), LAYERS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers(name, more, settings, dtype):
    theirs, ours = pair(name, 3, 5, dtype=dtype, **settings, **more)
    random = np.random.default_rng(SEED)
    count = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)

    def draw(*shape):
        return random.standard_normal(shape).astype(dtype)

    for shape in [(4, 2, 3), (4, 3), (1, 1, 3)]:
        compare(theirs, ours, [draw(*shape)], lambda library, module, xs: module(xs[0]), dtype, f"{name} {shape}")
    batch = 4 if settings.get("batch_first") else 2
    for shape, state in [((4, 2, 3), (count, batch, 5)), ((4, 3), (count, 5))]:
        arrays = [draw(*shape)] + [draw(*state) for _ in range(2 if name == "LSTM" else 1)]
        what = f"{name} {shape} with a state"

        def call(library, module, xs):
            return module(xs[0], tuple(xs[1:]) if name == "LSTM" else xs[1])

        compare(theirs, ours, arrays, call, dtype, what)


@pytest.mark.parametrize(("name", "more"), LAYERS, ids=str)
def test_one_tensor_as_both_states_and_an_empty_batch(name, more):
    theirs, ours = pair(name, 3, 5, **more)
    random = np.random.default_rng(SEED)
    x, h = random.standard_normal((4, 2, 3)), random.standard_normal((1, 2, 5))
    if name == "LSTM":
        compare(theirs, ours, [x, h], lambda library, module, xs: module(xs[0], (xs[1], xs[1])))
    compare(theirs, ours, [x[:, :0]], lambda library, module, xs: module(xs[0]))


CELLS = [
    ("RNNCell", {}),
    ("RNNCell", {"nonlinearity": "relu"}),
    ("RNNCell", {"bias": False}),
    ("LSTMCell", {}),
    ("LSTMCell", {"bias": False}),
    ("GRUCell", {}),
    ("GRUCell", {"bias": False}),
]


@pytest.mark.parametrize(("name", "settings"), CELLS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cells(name, settings, dtype):
    theirs, ours = pair(name, 3, 5, dtype=dtype, **settings)
    random = np.random.default_rng(SEED)
    for lead in [(2,), (), (0,)]:
        arrays = [random.standard_normal((*lead, n)).astype(dtype) for n in (3, 5, 5)]
        compare(theirs, ours, arrays[:1], lambda library, module, xs: module(xs[0]), dtype, f"{name} {lead}")
        used = arrays if name == "LSTMCell" else arrays[:2]

        def call(library, module, xs):
            return module(xs[0], tuple(xs[1:]) if name == "LSTMCell" else xs[1])

        compare(theirs, ours, used, call, dtype, f"{name} {lead} with a state")


def pack(library, x, lengths, **options):
    return library.nn.utils.rnn.pack_padded_sequence(x, lengths, **options)


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize(("name", "more"), LAYERS, ids=str)
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("lengths", [[4, 3, 3, 1], [2, 4, 1, 4]], ids=str)
def test_lengths_are_pytorchs_packed_sequences(name, more, settings, with_state, lengths):
    """`lengths=` here, and PackedSequence here, against PackedSequence there."""
    theirs, ours = pair(name, 3, 5, **settings, **more)
    random = np.random.default_rng(SEED)
    first = settings.get("batch_first", False)
    count = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    arrays = [random.standard_normal((4, 4, 3))]
    arrays += [random.standard_normal((count, 4, 5)) for _ in range((2 if name == "LSTM" else 1) * with_state)]

    def state_of(xs):
        return (tuple(xs[1:]) if name == "LSTM" else xs[1]) if with_state else None

    def packed(library, module, xs):
        options = {"batch_first": first, "enforce_sorted": lengths == sorted(lengths, reverse=True)}
        y, state = module(pack(library, xs[0], lengths, **options), state_of(xs))
        y, found = library.nn.utils.rnn.pad_packed_sequence(y, batch_first=first)
        assert found.tolist() == lengths
        return y, state

    def by_lengths(library, module, xs):
        if library is torch:
            return packed(library, module, xs)
        return module(xs[0], state_of(xs), lengths=nc.tensor(lengths))

    compare(theirs, ours, arrays, packed, what=f"{name} packed")
    compare(theirs, ours, arrays, by_lengths, what=f"{name} lengths")


def test_padding_may_hold_anything():
    layer = nc.nn.LSTM(3, 5, bidirectional=True)
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype(np.float32)
    found = []
    for rubbish in (0.0, np.nan):
        x[2:, 1] = rubbish
        t = nc.tensor(x, requires_grad=True)
        y, (h_n, _) = layer(t, lengths=[4, 2])
        grads = nc.autograd.grad(y.sum() + h_n.sum(), [t, *layer.parameters()])
        found.append([v.detach().numpy() for v in (y, h_n, *grads)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not found[0][0][2:, 1].any()


def test_sequence_functions():
    random = np.random.default_rng(SEED)
    arrays = [random.standard_normal((n, 2)) for n in (3, 1, 4)]
    found = []
    for library in (torch, nc):
        utils, sequences = library.nn.utils.rnn, [MAKE[library](a) for a in arrays]
        values = []
        for options in ({}, {"batch_first": True}, {"padding_value": -1.5}, {"padding_side": "left"}):
            values.append(utils.pad_sequence(sequences, **options))
        padded = values[0] + 0  # a copy, because PyTorch transposes what it gets
        values += utils.unpad_sequence(padded, MAKE[library](np.array([3, 1, 4])))
        packed = utils.pack_sequence(sequences, enforce_sorted=False)
        assert isinstance(packed, utils.PackedSequence)
        values += list(packed)
        values += utils.unpack_sequence(packed)
        values += utils.pad_packed_sequence(packed, batch_first=True, padding_value=2.0, total_length=6)
        values += utils.pack_sequence([sequences[2], sequences[0]])[:2]
        values.append(utils.invert_permutation(MAKE[library](np.array([2, 0, 1]))))
        found.append([v.numpy() for v in values])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def errors(library):
    """Calls that both refuse."""
    nn, make = library.nn, MAKE[library]

    def x(*shape):
        return make(np.zeros(shape, np.float32))

    lstm, gru, rnn, cell = nn.LSTM(3, 4), nn.GRU(3, 4), nn.RNN(3, 4), nn.LSTMCell(3, 4)
    yield lambda: lstm(x(0, 2, 3))
    yield lambda: lstm(x(2, 2, 5))
    yield lambda: lstm(x(2))
    yield lambda: rnn(x(2))
    yield lambda: lstm(make(np.zeros((2, 2, 3))))
    yield lambda: lstm(x(2, 2, 3), (x(1, 2, 5), x(1, 2, 4)))
    yield lambda: lstm(x(2, 2, 3), (x(1, 2, 4), x(1, 3, 4)))
    yield lambda: lstm(x(2, 2, 3), (x(2, 4), x(2, 4)))
    yield lambda: lstm(x(2, 3), (x(1, 2, 4), x(1, 2, 4)))
    yield lambda: gru(x(2, 2, 3), x(1, 2, 5))
    yield lambda: gru(x(2, 2, 3), x(2, 4))
    yield lambda: gru(x(2, 3), x(1, 2, 4))
    yield lambda: nn.LSTM(3, 0)
    yield lambda: nn.LSTM(0, 3)
    yield lambda: nn.LSTM(3, 4, 0)
    yield lambda: nn.LSTM(3, 4, dropout=2)
    yield lambda: nn.LSTM(3, 4, dropout=True)
    yield lambda: nn.LSTM(3, 4.5)
    yield lambda: nn.LSTM(3, 4, bias=1)
    yield lambda: nn.LSTM(3, 4, batch_first=0)
    yield lambda: nn.LSTM(3, 4, proj_size=-1)
    yield lambda: nn.LSTM(3, 4, proj_size=4)
    yield lambda: nn.GRU(3, 4, proj_size=2)
    yield lambda: nn.RNN(3, 4, proj_size=2)
    yield lambda: nn.RNN(3, 4, nonlinearity="x")
    yield lambda: nn.RNN(3, 4, 1, "x")
    yield lambda: cell(x(2, 2, 3))
    yield lambda: cell(x(2, 5))
    yield lambda: cell(x(2, 3), (x(2, 5), x(2, 5)))
    yield lambda: cell(x(2, 3), (x(3, 4), x(3, 4)))
    yield lambda: cell(x(2, 3), (x(2, 2, 4), x(2, 4)))
    yield lambda: nn.RNNCell(3, 4, nonlinearity="x")(x(2, 3))
    yield lambda: nn.GRUCell(3, 4)(x(2, 3), x(1, 2, 4))
    yield lambda: pack(library, x(3, 2, 1), [1, 2])
    yield lambda: pack(library, x(3, 2, 1), [2, 0])
    yield lambda: pack(library, x(3, 2, 1), [2])
    yield lambda: nn.utils.rnn.pad_sequence([x(2), x(2, 3)])
    yield lambda: nn.utils.rnn.pad_sequence([])
    yield lambda: nn.utils.rnn.pad_sequence([x(2)], padding_side="top")
    yield lambda: nn.utils.rnn.pad_packed_sequence(pack(library, x(3, 2, 1), [2, 1]), total_length=1)


def errors_agree(theirs, ours):
    """The same kind of error, and the numbers that PyTorch's words name."""
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever PyTorch raises is what we want
        theirs()
    with pytest.raises(type(expected.value)) as found:
        ours()
    wanted, said = (set(re.findall(r"\d+", str(e.value))) for e in (expected, found))
    assert wanted <= said | set("0123"), f"{expected.value} / {found.value}"


@pytest.mark.parametrize(("theirs", "ours"), list(zip(errors(torch), errors(nc), strict=True)))
def test_errors(theirs, ours):
    errors_agree(theirs, ours)


def test_a_useless_dropout_warns():
    for library in (torch, nc):
        with pytest.warns(UserWarning, match=r"dropout option adds dropout after all but last .* got dropout=0.5"):
            library.nn.GRU(3, 4, dropout=0.5)


def test_what_pytorch_does_not_have():
    layer, x = nc.nn.LSTM(3, 4), nc.zeros(5, 2, 3)
    with pytest.raises(NotImplementedError, match="projections are not supported, got proj_size=2"):
        nc.nn.LSTM(3, 4, proj_size=2)
    with pytest.raises(RuntimeError, match="lengths are for batches"):
        layer(x[:, 0], lengths=[2])
    with pytest.raises(RuntimeError, match="expected lengths from 0 to 5, got 6"):
        layer(x, lengths=[6, 1])
    with pytest.raises(RuntimeError, match="a PackedSequence has its lengths in it"):
        layer(nc.nn.utils.rnn.pack_padded_sequence(x, [2, 1]), lengths=[2, 1])
    with pytest.raises(RuntimeError, match=r"a pair \(h, c\)"):
        layer(x, nc.zeros(1, 2, 4))
    y, (h_n, _) = layer(x + 1, lengths=[0, 5])
    assert not y[:, 0].detach().numpy().any()
    assert not h_n[:, 0].detach().numpy().any()


def test_a_layer_learns_what_pytorchs_learns():
    theirs, ours = pair("LSTM", 3, 5, num_layers=2, bidirectional=True)
    random = np.random.default_rng(SEED)
    x, t = random.standard_normal((6, 4, 3)), random.standard_normal((6, 4, 10))
    ends = []
    for library, module in ((torch, theirs), (nc, ours)):
        optimizer = library.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            loss = library.nn.functional.mse_loss(module(MAKE[library](x))[0], MAKE[library](t))
            loss.backward()
            optimizer.step()
        ends.append(loss.item())
    assert ends[1] == pytest.approx(ends[0], rel=1e-8)
