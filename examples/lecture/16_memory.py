# %% [markdown]
# # 16. RNN, LSTM and GRU: how far back each remembers
#
# A recurrent network reads a sequence step by step; what it knows of the past is its state. Training it sends gradients
# back through all steps, and in a plain RNN each step multiplies them by the same matrix and by a derivative below 1:
# they vanish as in program 9. LSTM (Hochreiter, Schmidhuber 1997) and GRU (Cho et al. 2014) carry the state past the
# step along a way of its own, and gates decide what is written, kept and read.

# %%
import codecs
import contextlib
import io

import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import QUICK, save

nn, F = nc.nn, nc.nn.functional
KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
COLOURS = dict(zip(KINDS, ("#D55E00", "#0072B2", "#009E73")))

# %% [markdown]
# ## The gradient on its way back
# The norm of d(last output) / d(input at step t) for 60 steps of noise, before training. The forget gate of the LSTM
# starts at sigmoid(2): it keeps 88 % of its cell in each step (Jozefowicz et al. 2015 recommend a large bias).

# %%
STEPS, HIDDEN = 60, 32


def prepared(kind: str, inputs: int, hidden: int, layers: int = 1) -> nn.Module:
    """A layer whose gates begin open: LSTM's forget gate, GRU's update gate."""
    layer = KINDS[kind](inputs, hidden, num_layers=layers, batch_first=True)
    with nc.no_grad():
        for name, p in layer.named_parameters():
            if name.startswith("bias_hh") and kind == "LSTM":
                p[hidden : 2 * hidden] = 2.0
            if name.startswith("bias_hh") and kind == "GRU":
                p[hidden : 2 * hidden] = 2.0
    return layer


def gradient_by_age(kind: str) -> np.ndarray:
    nc.manual_seed(0)
    layer = prepared(kind, 8, HIDDEN)
    x = nc.randn(16, STEPS, 8, requires_grad=True)
    output, _ = layer(x)
    (slope,) = nc.autograd.grad(output[:, -1].sum(), x)
    return np.linalg.norm(slope.numpy(), axis=(0, 2))[::-1]


by_age = {kind: gradient_by_age(kind) for kind in KINDS}
for kind, norms in by_age.items():
    print(f"{kind:5} gradient of an input 50 steps ago, relative to the newest: {norms[50] / norms[0]:.1e}")

# %% [markdown]
# ## Recall
# The first symbol of a sequence is one of four, the rest is noise; at the end the network is asked for the first. The
# only way to know is to remember.

# %%
SPANS = (5, 20) if QUICK else (5, 10, 20, 40, 80)
UPDATES = 150 if QUICK else 500


class Recall(nn.Module):
    def __init__(self, kind: str):
        super().__init__()
        self.layer, self.head = prepared(kind, 8, HIDDEN), nn.Linear(HIDDEN, 4)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


def recall_batch(count: int, span: int) -> tuple[nc.Tensor, nc.Tensor]:
    first = nc.randint(0, 4, (count,))
    noise = nc.randint(4, 8, (count, span - 1))
    return F.one_hot(nc.cat([first.reshape(-1, 1), noise], 1), 8).to(nc.float32), first


def learn_recall(kind: str, span: int) -> float:
    nc.manual_seed(1)
    net = Recall(kind)
    optimizer = nc.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(UPDATES):
        x, first = recall_batch(32, span)
        optimizer.zero_grad()
        F.cross_entropy(net(x), first).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    with nc.no_grad():
        x, first = recall_batch(512, span)
        return (net(x).argmax(1) == first).to(nc.float32).mean().item()


recall = {kind: {span: learn_recall(kind, span) for span in SPANS} for kind in KINDS}
print("share recalled after" + "".join(f"{span:8} steps" for span in SPANS))
for kind, shares in recall.items():
    print(f"{kind:20}" + "".join(f"{share:14.0%}" for share in shares.values()))

# %% [markdown]
# ## A real text
# Each network learns to say the next character of the Zen of Python (Tim Peters 2004, in every Python), which is too
# short to be more than learned by heart.

# %%
with contextlib.redirect_stdout(io.StringIO()):
    import this
text = codecs.decode(this.s, "rot13")
letters = sorted(set(text))
encoded = nc.tensor([letters.index(c) for c in text])
EPOCHS, WINDOW = (3, 40) if QUICK else (40, 40)


class Writer(nn.Module):
    """Reads characters, and scores each as the next."""

    def __init__(self, kind: str):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(len(letters), 24), prepared(kind, 24, 96)
        self.head = nn.Linear(96, len(letters))

    def forward(self, x, state=None):
        y, state = self.layer(self.embedding(x), state)
        return self.head(y), state


def learn_text(kind: str) -> tuple[list[float], Writer]:
    """The mean loss of each epoch, in nats for each character."""
    nc.manual_seed(0)
    net = Writer(kind)
    optimizer = nc.optim.Adam(net.parameters(), lr=5e-3)
    starts = np.arange(0, len(text) - WINDOW - 1, 5)
    losses = []
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(starts)
        found = []
        for batch in np.array_split(order, max(1, len(order) // 16)):
            at = nc.tensor(batch[:, None] + np.arange(WINDOW + 1))
            x = encoded[at]
            scores, _ = net(x[:, :-1])
            optimizer.zero_grad()
            loss = F.cross_entropy(scores.reshape(-1, len(letters)), x[:, 1:].reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            found.append(loss.item())
        losses.append(float(np.mean(found)))
    return losses, net


def write(net: Writer, beginning: str, count: int) -> str:
    """Goes on from the beginning with the likeliest character each time."""
    with nc.no_grad():
        x, state = encoded.new_tensor([[letters.index(c) for c in beginning]]), None
        for _ in range(count):
            scores, state = net(x, state)
            x = scores[:, -1:].argmax(-1)
            beginning += letters[x.item()]
    return beginning


texts = {kind: learn_text(kind) for kind in KINDS}
for kind, (losses, net) in texts.items():
    said = write(net, "Beautiful is", 60).replace("\n", " / ")
    print(f"{kind:5} {losses[0]:.2f} -> {losses[-1]:.2f} nats per character; it says: {said}")

# %%
figure = matplotlib.figure.Figure(figsize=(13, 4), layout="constrained")
left, middle, right = figure.subplots(1, 3)
for kind, norms in by_age.items():
    left.semilogy(norms / norms[0], color=COLOURS[kind], label=kind)
    style = {"RNN": "o-", "LSTM": "s-", "GRU": "o--"}[kind]  # LSTM and GRU lie on each other
    size = 10 if kind == "LSTM" else 5
    shares = [100 * s for s in recall[kind].values()]
    middle.plot(SPANS, shares, style, markersize=size, fillstyle="none", color=COLOURS[kind], label=kind)
    right.plot(range(1, EPOCHS + 1), texts[kind][0], color=COLOURS[kind], label=kind)
left.set(xlabel="steps back", ylabel="gradient, relative to the newest input", title="The gradient on its way back")
middle.axhline(25, color="black", linestyle=":", label="guessing")
middle.set(xlabel="steps between symbol and question", ylabel="recalled [%]", title="Recall", xscale="log")
middle.set_xticks(SPANS, SPANS)
middle.minorticks_off()
right.set(xlabel="epoch", ylabel="cross-entropy [nats per character]", title="The Zen of Python")
for axes in (left, middle, right):
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
save(figure, "16_memory.png")
