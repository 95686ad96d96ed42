"""The networks over sequences: shapes, a step of training, eight samples learnt by heart, texts written."""

import numpy as np
import pytest

import nncore as nc
from nncore import models

F = nc.nn.functional


def learn(model, loss_of, steps: int, rate: float = 1e-2) -> float:
    """The loss after so many steps of Adam."""
    optimizer = nc.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
    return loss_of().item()


def next_token_loss(model, tokens):
    def loss_of():
        scores = model(tokens[:, :-1])
        scores = scores[0] if isinstance(scores, tuple) else scores
        return F.cross_entropy(scores.transpose(1, 2), tokens[:, 1:])

    return loss_of


def eight_texts(steps: int = 7):
    """Texts of which each begins with a token of its own, so that all that follows can be known."""
    random = np.random.default_rng(0)
    return nc.tensor(np.concatenate([np.arange(8)[:, None], random.integers(0, 8, (8, steps - 1))], 1))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_char_rnn(cell):
    nc.manual_seed(0)
    model, tokens = models.CharRNN(8, hidden=32, num_layers=2, cell=cell, embedding=8), eight_texts()
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    layers = gates * 32 * (8 + 32 + 2) + gates * 32 * (32 + 32 + 2)
    assert sum(p.numel() for p in model.parameters()) == 8 * 8 + layers + 32 * 8 + 8
    scores, state = model(tokens)
    assert scores.shape == (8, 7, 8)
    # Two parts, with the state between them, are the whole.
    first, state = model(tokens[:, :3])
    second, _ = model(tokens[:, 3:], state)
    np.testing.assert_allclose(
        nc.cat([first, second], 1).detach().numpy(), scores.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    scores.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    assert learn(model, next_token_loss(model, tokens), 150) < 0.05
    for text in tokens:
        np.testing.assert_array_equal(model.sample(text[:1], 6, temperature=0).numpy(), text.numpy())
    assert model.training


def test_char_rnn_samples():
    model = models.CharRNN(5, hidden=4)
    texts = []
    for _ in range(2):
        nc.manual_seed(1)
        texts.append(model.sample(nc.tensor([0, 1]), 50).tolist())
    assert texts[0] == texts[1]
    assert texts[0][:2] == [0, 1]
    assert set(texts[0]) <= set(range(5))
    assert len(set(texts[0])) > 2
    with pytest.raises(ValueError, match=r"temperature of at least 0, got \[0\] and 1.0"):
        model.sample(nc.zeros(0, dtype=nc.int64), 3)
    with pytest.raises(ValueError, match="cell should be one of rnn, lstm, gru, got 'tree'"):
        models.CharRNN(5, cell="tree")


def test_transformer_language_model():
    nc.manual_seed(0)
    model, tokens = models.TransformerLM(8, features=32, heads=4, dropout=0.0, max_length=7), eight_texts()
    scores = model(tokens)
    assert scores.shape == (8, 7, 8)
    changed = nc.tensor(np.where(np.arange(7) > 3, 7 - tokens.numpy(), tokens.numpy()))
    np.testing.assert_allclose(
        model(changed)[:, :4].detach().numpy(), scores[:, :4].detach().numpy(), rtol=1e-5, atol=1e-6
    )
    scores.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    assert learn(model, next_token_loss(model, tokens), 100, 3e-3) < 0.05
    for text in tokens:
        np.testing.assert_array_equal(model.sample(text[:1], 6, temperature=0).numpy(), text.numpy())
    assert len(model.sample(tokens[0], 5)) == 12  # beyond max_length it sees the last tokens
    with pytest.raises(ValueError, match=r"at most 7 steps, got \[1, 9, 32\]"):
        model(nc.zeros(1, 9, dtype=nc.int64))


def test_transformer_classifier():
    nc.manual_seed(0)
    model = models.TransformerClassifier(9, 8, features=32, heads=4, dropout=0.0)
    random = np.random.default_rng(0)
    tokens, labels = nc.tensor(random.integers(0, 9, (8, 12))), nc.arange(8)
    lengths = nc.tensor([12, 3, 7, 1, 12, 9, 5, 2])
    behind = nc.tensor(np.where(np.arange(12) < lengths.numpy()[:, None], tokens.numpy(), 8 - tokens.numpy()))
    scores = model(tokens, lengths)
    assert scores.shape == (8, 8)
    np.testing.assert_allclose(model(behind, lengths).detach().numpy(), scores.detach().numpy(), rtol=1e-5, atol=1e-6)
    alone = model(tokens[1:2, :3]).detach().numpy()
    np.testing.assert_allclose(scores[1:2].detach().numpy(), alone, rtol=1e-4, atol=1e-5)
    scores.sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    assert learn(model, lambda: F.cross_entropy(model(tokens, lengths), labels), 60, 3e-3) < 0.05
    with pytest.raises(ValueError, match="expected 8 lengths from 1 to 12"):
        model(tokens, nc.zeros(8, dtype=nc.int64))


def test_positional_encoding():
    table = models.PositionalEncoding(5, 10, dropout=0.0)(nc.zeros(10, 5)).numpy()
    t = np.arange(10)
    for i in range(5):
        turn = t / 10000 ** ((i - i % 2) / 5)
        np.testing.assert_allclose(table[:, i], (np.cos if i % 2 else np.sin)(turn), atol=2e-6)
    assert not models.PositionalEncoding(4).state_dict()
