# %% [markdown]
# # 9. Vanishing gradients
#
# Backward, each layer multiplies the gradient by its weights and by the derivative of its activation. A sigmoid's
# derivative is at most 0.25, so what arrives at the first of many layers is close to nothing (Hochreiter 1991). ReLU's
# derivative is 1 or 0, and a residual connection y = x + f(x) adds a way of slope 1 around each layer (He et al. 2016).

# %%
import matplotlib.figure

import nncore as nc
from pictures import QUICK, save

WIDTH = 32
KINDS = ("sigmoid", "tanh", "ReLU", "residual")
COLOURS = dict(zip(KINDS, ("#D55E00", "#E69F00", "#0072B2", "#009E73")))
DEPTHS = (4, 16) if QUICK else (4, 8, 16, 32, 64)


class Layer(nc.nn.Module):
    """One layer of a deep network: f(x), or x + f(x) where it is residual."""

    def __init__(self, kind: str):
        super().__init__()
        self.linear = nc.nn.Linear(WIDTH, WIDTH)
        # Starts that suit the activation: Glorot and Bengio 2010, He et al. 2015.
        if kind in ("sigmoid", "tanh"):
            nc.nn.init.xavier_uniform_(self.linear.weight)
        else:
            nc.nn.init.kaiming_uniform_(self.linear.weight, nonlinearity="relu")
        nc.nn.init.zeros_(self.linear.bias)
        self.activation = {"sigmoid": nc.sigmoid, "tanh": nc.tanh}.get(kind, nc.relu)
        self.residual = kind == "residual"

    def forward(self, x):
        y = self.activation(self.linear(x))
        return x + 0.1 * y if self.residual else y


def deep_network(kind: str, depth: int) -> nc.nn.Module:
    layers = [Layer(kind) for _ in range(depth)]
    return nc.nn.Sequential(nc.nn.Flatten(), nc.nn.Linear(64, WIDTH), *layers, nc.nn.Linear(WIDTH, 10))


digits = nc.data.datasets.digits()
images, labels = next(iter(nc.data.DataLoader(digits, batch_size=len(digits))))
loss_of = nc.nn.CrossEntropyLoss()


def gradient_norms(kind: str, depth: int) -> list[float]:
    """The norm of dL/dW of each layer, before anything is learned; in float32 the smallest would round to 0."""
    nc.manual_seed(0)
    net = deep_network(kind, depth).to(nc.float64)
    loss_of(net(images[:256].to(nc.float64)), labels[:256]).backward()
    return [layer.linear.weight.grad.norm().item() for layer in net if isinstance(layer, Layer)]


# %% [markdown]
# ## The gradient at each layer
# The ratio of the first layer's gradient to the last one's. Below 1 it vanishes, above 1 it explodes.

# %%
norms = {kind: {depth: gradient_norms(kind, depth) for depth in DEPTHS} for kind in KINDS}
ratios = {kind: {depth: n[0] / n[-1] for depth, n in norms[kind].items()} for kind in KINDS}
print("first layer's gradient over the last's, by depth")
print(f"{'':10}" + "".join(f"{depth:>12}" for depth in DEPTHS))
for kind in KINDS:
    print(f"{kind:10}" + "".join(f"{ratio:12.1e}" for ratio in ratios[kind].values()))

# %% [markdown]
# ## The same networks trained
# A network whose first layers receive no gradient learns nothing, however long it is trained.


# %%
def train(kind: str, depth: int, epochs: int) -> float:
    """The share of the training images that it recognises afterwards."""
    nc.manual_seed(0)
    net = deep_network(kind, depth)
    optimizer = nc.optim.Adam(net.parameters(), lr=1e-3)
    loader = nc.data.DataLoader(digits, batch_size=64, shuffle=True)
    for _ in range(epochs):
        for x, t in loader:
            optimizer.zero_grad()
            loss_of(net(x), t).backward()
            optimizer.step()
    with nc.no_grad():
        return (net(images).argmax(1) == labels).to(nc.float32).mean().item()


EPOCHS = 3 if QUICK else 10
accuracy = {kind: {depth: train(kind, depth, EPOCHS) for depth in DEPTHS} for kind in KINDS}
print(f"share of the digits recognised after {EPOCHS} epochs, by depth")
for kind in KINDS:
    print(f"{kind:10}" + "".join(f"{share:12.1%}" for share in accuracy[kind].values()))

# %%
figure = matplotlib.figure.Figure(figsize=(13, 7.5), layout="constrained")
panels = figure.subplots(2, 3).ravel()
lowest = min(min(norms[kind][depth]) for kind in KINDS for depth in DEPTHS)
for axes, depth in zip(panels, DEPTHS):
    for kind in KINDS:
        style = "o-" if depth <= 16 else "-"
        axes.semilogy(range(1, depth + 1), norms[kind][depth], style, markersize=3, color=COLOURS[kind], label=kind)
    axes.set(xlabel="layer, from the input", ylabel="norm of dL/dW", title=f"Gradients in {depth} layers")
    axes.set(ylim=(lowest / 10, 1e2), xticks=range(depth // 4, depth + 1, depth // 4))
for axes in panels[len(DEPTHS) : -1]:
    axes.axis("off")
for kind in KINDS:
    panels[-1].plot(DEPTHS, [100 * a for a in accuracy[kind].values()], "o-", color=COLOURS[kind], label=kind)
panels[-1].set(xlabel="layers", ylabel="accuracy on the training set [%]", title=f"After {EPOCHS} epochs")
panels[-1].set(xscale="log", ylim=(0, 103))
panels[-1].set_xticks(DEPTHS, DEPTHS)
panels[-1].minorticks_off()
for axes in panels:
    axes.grid(alpha=0.3)
panels[0].legend(fontsize=8)
save(figure, "09_vanishing_gradients.png")
