# %% [markdown]
# # 11. Universal approximation, and why depth helps
#
# One hidden layer with enough neurons comes as near as one likes to any continuous function on a bounded interval
# (Cybenko 1989; Hornik, Stinchcombe, White 1989). The theorem says that the weights exist, not that training finds
# them, and not that one layer is the cheapest way.

# %%
import itertools
import math

import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import QUICK, save

# %% [markdown]
# ## Width against error
# A curve on [-1, 1], fitted by one hidden layer of tanh neurons.

# %%
x = nc.linspace(-1, 1, 200).reshape(-1, 1)
curve = nc.sin(6 * x) + 0.5 * nc.cos(13 * x) * x
WIDTHS = (1, 4, 16, 64) if QUICK else (1, 2, 4, 8, 16, 32, 64, 128)
STEPS = 1500 if QUICK else 4000


def fit(width: int) -> tuple[float, np.ndarray]:
    """The mean squared error of the best fit on the way, and that fit."""
    nc.manual_seed(1)
    net = nc.nn.Sequential(nc.nn.Linear(1, width), nc.nn.Tanh(), nc.nn.Linear(width, 1))
    nc.nn.init.uniform_(net[0].weight, -12, 12)  # kinks of the neurons all over the interval
    nc.nn.init.uniform_(net[0].bias, -12, 12)
    optimizer = nc.optim.Adam(net.parameters(), lr=1e-2)
    schedule = nc.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nc.nn.functional.mse_loss(net(x), curve).backward()
        optimizer.step()
        schedule.step()
    with nc.no_grad():
        y = net(x)
        return ((y - curve) ** 2).mean().item(), y.numpy()


fits = {width: fit(width) for width in WIDTHS}
for width, (error, _) in fits.items():
    print(f"{width:4} neurons: mean squared error {error:.2e}")

# %% [markdown]
# ## Parity: shallow against deep
# The parity of n bits is 1 where an odd number of them is 1. Flipping any bit flips it: there is nothing smooth to hold
# on to. Both kinds of network can be written down exactly:
#
# - Shallow: n neurons that each look at all bits. With s the sum of the bits, the parity is a saw tooth with n teeth,
#   relu(s) + 2 * sum over k = 1 .. n-1 of (-1)^k relu(s - k). That takes n^2 + 2 n + 1 parameters.
# - Deep: one bit at a time, because parity(b1 .. bn) = parity(b1 .. bn-1) xor bn, and a xor b is
#   relu(a + b) - 2 relu(a + b - 1), two neurons. Each layer has the same 9 parameters: 9 (n - 1) in all.


# %%
def shallow_parity(bits: int) -> nc.nn.Module:
    """One hidden layer of n neurons, each connected to all n bits."""
    net = nc.nn.Sequential(nc.nn.Linear(bits, bits), nc.nn.ReLU(), nc.nn.Linear(bits, 1))
    teeth = nc.tensor([1.0] + [2.0 * (-1) ** k for k in range(1, bits)])
    net.load_state_dict({
        "0.weight": nc.ones(bits, bits), "0.bias": -nc.arange(bits).to(nc.float32),
        "2.weight": teeth.reshape(1, -1), "2.bias": nc.zeros(1),
    })  # fmt: skip
    return net


class DeepParity(nc.nn.Module):
    """n - 1 layers of one xor each."""

    def __init__(self, bits: int):
        super().__init__()
        self.xors = nc.nn.ModuleList()
        for _ in range(bits - 1):
            xor = nc.nn.Sequential(nc.nn.Linear(2, 2), nc.nn.ReLU(), nc.nn.Linear(2, 1))
            xor.load_state_dict({
                "0.weight": nc.ones(2, 2), "0.bias": nc.tensor([0.0, -1.0]),
                "2.weight": nc.tensor([[1.0, -2.0]]), "2.bias": nc.zeros(1),
            })  # fmt: skip
            self.xors.append(xor)

    def forward(self, bits):
        parity = bits[:, :1]
        for i, xor in enumerate(self.xors, start=1):
            parity = xor(nc.cat([parity, bits[:, i : i + 1]], 1))
        return parity


def is_exact(net: nc.nn.Module, bits: int) -> bool:
    """Whether it gets 4096 random patterns right."""
    patterns = np.random.default_rng(0).integers(0, 2, (4096, bits))
    with nc.no_grad():
        said = net(nc.tensor(patterns, dtype=nc.float32)).numpy()
    return bool((said[:, 0] == patterns.sum(1) % 2).all())


BUDGETS = (100, 400, 1000)
reach = {}
for budget in BUDGETS:
    sizes = {"shallow": math.isqrt(budget) - 1, "deep": budget // 9 + 1}
    nets = {"shallow": shallow_parity(sizes["shallow"]), "deep": DeepParity(sizes["deep"])}
    assert all(sum(p.numel() for p in net.parameters()) <= budget for net in nets.values())
    assert all(is_exact(net, sizes[name]) for name, net in nets.items())
    reach[budget] = sizes
    print(f"with {budget:4} parameters: shallow {sizes['shallow']:3} bits, deep {sizes['deep']:3} bits, both exact")

# %% [markdown]
# ## Learned, with the same number of parameters
# That good weights exist does not mean that gradient descent finds them. Trained on all patterns of 8 bits from random
# weights, the deep network is no better than the shallow one: parity gives a gradient little to follow.


# %%
def learn(sizes: tuple[int, ...], seed: int, steps: int) -> tuple[int, float]:
    """The number of parameters, and the share of all patterns that it gets right."""
    nc.manual_seed(seed)
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nc.nn.Linear(inputs, outputs), nc.nn.ReLU()]
    net = nc.nn.Sequential(*layers[:-1])
    optimizer = nc.optim.Adam(net.parameters(), lr=1e-2)
    patterns = (np.arange(2 ** sizes[0])[:, None] >> np.arange(sizes[0])) & 1
    x, t = nc.tensor(2.0 * patterns - 1, dtype=nc.float32), nc.tensor(patterns.sum(1) % 2, dtype=nc.float32)
    loss_of = nc.nn.BCEWithLogitsLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(net(x)[:, 0], t).backward()
        optimizer.step()
    with nc.no_grad():
        right = ((net(x)[:, 0] > 0) == (t > 0.5)).to(nc.float32).mean().item()
    return sum(p.numel() for p in net.parameters()), right


SIZES = {"8-16-1": (8, 16, 1), "8-9-7-1": (8, 9, 7, 1), "8-8-6-4-1": (8, 8, 6, 4, 1)}
learned = {name: [learn(sizes, seed, 500 if QUICK else 1500) for seed in range(4)] for name, sizes in SIZES.items()}
for name, runs in learned.items():
    print(f"{name} ({runs[0][0]} parameters): {', '.join(f'{share:.0%}' for _, share in runs)} of 256 patterns right")

# %%
figure = matplotlib.figure.Figure(figsize=(13, 4), layout="constrained")
left, middle, right = figure.subplots(1, 3)
left.plot(x.numpy(), curve.numpy(), color="black", linewidth=2.5, label="the curve")
for width, colour in zip((WIDTHS[0], 4, 16), ("#D55E00", "#009E73", "#0072B2")):
    left.plot(x.numpy(), fits[width][1], "--", color=colour, label=f"{width} neuron{'s' * (width > 1)}")
left.set(xlabel="x", ylabel="y", title="One hidden layer")
left.legend(fontsize=8)
middle.loglog(WIDTHS, [error for error, _ in fits.values()], "o-", color="#0072B2")
middle.set(xlabel="neurons", ylabel="mean squared error", title="Width against error")
middle.set_xticks(WIDTHS, WIDTHS)
middle.minorticks_off()
middle.grid(alpha=0.3)
for name, style in (("shallow", "o-"), ("deep", "s-")):
    right.loglog(BUDGETS, [reach[budget][name] for budget in BUDGETS], style, label=name)
right.set(xlabel="parameters", ylabel="bits", title="Parity: bits within reach")
right.set_xticks(BUDGETS, BUDGETS)
right.set_yticks((10, 30, 100), (10, 30, 100))
right.minorticks_off()
right.grid(alpha=0.3)
right.legend()
save(figure, "11_universal_approximation.png")
