# %% [markdown]
# # 5. Losses
#
# The loss says in one number how wrong the network is; training only ever sees its gradient. So a loss is judged by
# what its gradient says: also when the network is very wrong, and when it is nearly right.

# %%
import math

import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import save

F = nc.nn.functional

# %% [markdown]
# ## Mean squared error, for numbers
# L = mean of (y - t)^2.

# %%
mse = F.mse_loss(nc.tensor([2.5, 0.0, 2.0]), nc.tensor([3.0, -0.5, 2.0])).item()
print(f"MSE of (2.5, 0, 2) against (3, -0.5, 2): (0.25 + 0.25 + 0) / 3 = {mse:.4f}")

# %% [markdown]
# ## Cross-entropy, for classes
# Minus the logarithm of the probability that the network gives to the right class. A network that is 80 % sure of the
# apple that lies there loses 0.22, one that says 30 % loses 1.20; one that excludes it would lose infinitely much.

# %%
fruit = ("apple", "banana", "cherry")
cross_entropies = {}
for probabilities in ((0.8, 0.15, 0.05), (0.3, 0.6, 0.1)):
    scores = nc.tensor([probabilities], dtype=nc.float64).log()  # softmax of the logarithms gives them back
    cross_entropies[probabilities[0]] = F.cross_entropy(scores, nc.tensor([0])).item()
    said = ", ".join(f"{name} {p:.0%}" for name, p in zip(fruit, probabilities))
    print(f"it is an apple, the network says {said}: loss {cross_entropies[probabilities[0]]:.4f}")

# %% [markdown]
# ## Squared error or cross-entropy behind a sigmoid
# When the network is sure and wrong, the sigmoid is flat, and the squared error's gradient vanishes with it.
# Cross-entropy cancels the sigmoid's derivative: dL/du = y - t.

# %%
u = nc.linspace(-8, 8, 401, dtype=nc.float64, requires_grad=True)
ones = nc.ones(401, dtype=nc.float64)
(slope_squared,) = nc.autograd.grad(((nc.sigmoid(u) - 1) ** 2).sum(), u)
(slope_entropy,) = nc.autograd.grad(F.binary_cross_entropy_with_logits(u, ones, reduction="sum"), u)
slopes = [slope[0].item() for slope in (slope_squared, slope_entropy)]
print(f"target 1, u = -8: gradient of squared error {slopes[0]:.5f}, of cross-entropy {slopes[1]:.5f}")

# %% [markdown]
# ## BCE and BCEWithLogits at extreme scores
# sigmoid(200) rounds to 1 and log(1 - 1) is minus infinity. The fused loss takes max(u, 0) - u t + log(1 + e^-|u|)
# and is exact everywhere; BCELoss can only cut its logarithms off at -100.

# %%
logits = nc.tensor([-200.0, -20.0, 0.0, 20.0, 200.0], requires_grad=True)
target = nc.zeros(5)
fused = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
split = F.binary_cross_entropy(nc.sigmoid(logits), target, reduction="none")
(fused_slope,) = nc.autograd.grad(fused.sum(), logits)
(split_slope,) = nc.autograd.grad(split.sum(), logits)
print(f"{'score':>8}{'fused':>10}{'split':>10}{'slope fused':>14}{'slope split':>14}")
for row in zip(*(t.tolist() for t in (logits, fused, split, fused_slope, split_slope))):
    print(f"{row[0]:8g}{row[1]:10.4g}{row[2]:10.4g}{row[3]:14.4g}{row[4]:14.4g}")

# %% [markdown]
# ## One class of many, or several at once
# Multi-class: softmax, the classes compete and the probabilities add up to 1. Multi-label: a sigmoid for each class,
# because a picture may show a dog and a ball.

# %%
scores = nc.tensor([2.0, 1.5, -1.0])
as_classes, as_labels = nc.softmax(scores, 0), nc.sigmoid(scores)
print(f"softmax {[round(p, 3) for p in as_classes.tolist()]} (sum {as_classes.sum().item():.3f}), "
      f"sigmoids {[round(p, 3) for p in as_labels.tolist()]} (sum {as_labels.sum().item():.3f})")  # fmt: skip
multi_class = F.cross_entropy(scores.reshape(1, 3), nc.tensor([0])).item()
multi_label = F.binary_cross_entropy_with_logits(scores, nc.tensor([1.0, 1.0, 0.0])).item()
print(f"class 0 is right: cross-entropy {multi_class:.4f}; labels 0 and 1 are right: BCE {multi_label:.4f}")

# %% [markdown]
# ## How far apart are two distributions?
# - Kullback and Leibler: the sum of p log(p / q). Not symmetric, and infinite where q is 0 but p is not.
# - Jensen and Shannon: both against their mean. Symmetric, at most log 2.
# - Wasserstein: the least work that moves one heap of sand onto the other, mass times way.
#
# Two normal distributions of deviation 1, d apart: KL = d^2 / 2, Wasserstein = d.

# %%
grid = np.linspace(-5, 13, 3601)
width = grid[1] - grid[0]


def normal(mean: float) -> np.ndarray:
    return np.exp(-((grid - mean) ** 2) / 2) / math.sqrt(2 * math.pi)


def three_distances(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Of two densities on the grid."""
    p, q = (nc.tensor(density * width / (density * width).sum()) for density in (p, q))
    x = nc.tensor(grid)
    return {
        "KL": F.kl_div(q.log(), p, reduction="sum").item(),
        "JS": F.js_div(p, q).item(),
        "Wasserstein": F.wasserstein_distance(x, x, p, q).item(),
    }


apart = {d: three_distances(normal(0), normal(d)) for d in range(9)}
for d, found in apart.items():
    print(f"d = {d}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))

# %% [markdown]
# ## The gradients when nothing overlaps
# A heap q of finite width at position s, the other at 0. As soon as one reaches where the other does not, KL is
# infinite, and its gradient is not a number. Once they do not overlap, JS is log 2 whatever s is: its gradient is 0, it
# does not say where to go. Wasserstein's gradient is 1: it says go back. That is why GANs are trained with it
# (program 15).

# %%
x = nc.tensor(grid)
heap = (1 - x.abs()).clamp(min=0)
heap = heap / heap.sum()


def gradients_at(position: float) -> dict[str, float]:
    """d distance / d position, for a triangular heap of half-width 1."""
    found = {}
    for name in ("KL", "JS", "Wasserstein"):
        s = nc.tensor(position, dtype=nc.float64, requires_grad=True)
        moved = (1 - (x - s).abs()).clamp(min=0)
        moved = moved / moved.sum()
        if name == "Wasserstein":
            distance = F.wasserstein_distance(x + s, x, heap, heap)
        elif name == "JS":
            distance = F.js_div(moved, heap)
        else:
            distance = F.kl_div(moved.log(), heap, reduction="sum")
        (slope,) = nc.autograd.grad(distance, s)
        found[name] = slope.item()
    return found


overlapping, disjoint = gradients_at(0.5 + width / 2), gradients_at(3.0 + width / 2)
print("gradient by the position, overlapping (0.5):", {name: round(g, 4) for name, g in overlapping.items()})
print("gradient by the position, apart (3.0):      ", {name: round(g, 4) for name, g in disjoint.items()})

# %%
figure = matplotlib.figure.Figure(figsize=(11, 7.5), layout="constrained")
for i, (d, found) in enumerate(apart.items()):
    axes = figure.add_subplot(3, 3, i + 1)
    axes.fill_between(grid, normal(0), color="#0072B2", alpha=0.5, label="p")
    axes.fill_between(grid, normal(d), color="#D55E00", alpha=0.5, label="q")
    axes.set_title(f"d = {d}: KL {found['KL']:.2f}, JS {found['JS']:.3f}, W {found['Wasserstein']:.2f}", fontsize=10)
    axes.set(xlim=(-4, 12), yticks=[])
    if i == 0:
        axes.legend(fontsize=8)
    if i >= 6:
        axes.set_xlabel("x")
figure.suptitle("Two normal distributions moving apart (KL and JS in nats, W in units of x)")
save(figure, "05_moving_apart.png")

figure = matplotlib.figure.Figure(figsize=(15, 4), layout="constrained")
left, middle, right = figure.subplots(1, 3)
left.plot(u.detach().numpy(), slope_squared.numpy(), color="#D55E00", label="squared error")
left.plot(u.detach().numpy(), slope_entropy.numpy(), color="#0072B2", label="cross-entropy")
left.set(xlabel="score u before the sigmoid, target 1", ylabel="dL/du", title="What arrives at a sigmoid output")
distances = np.linspace(0, 8, 33)
curves = [three_distances(normal(0), normal(d)) for d in distances]
for name, colour in (("KL", "#D55E00"), ("JS", "#0072B2"), ("Wasserstein", "#009E73")):
    middle.plot(distances, [c[name] for c in curves], color=colour, label=name)
middle.set(
    xlabel="distance d of two normal distributions",
    ylabel="KL, JS [nats], Wasserstein [units of x]",
    ylim=(0, 9),
    title="JS saturates",
)
positions = 0.1 * np.arange(41) + width / 2  # between the points of the grid, so that no corner lies on one
by_position = [gradients_at(float(s)) for s in positions]
for name, colour in (("JS", "#0072B2"), ("Wasserstein", "#009E73")):
    right.plot(positions, [slope[name] for slope in by_position], color=colour, label=name)
right.plot([], [], color="#D55E00", label="KL: infinite, has none")
right.axvline(2, color="black", linestyle=":", label="nothing overlaps from here on")
right.set(xlabel="position s of the heap", ylabel="gradient by s", title="Which way to go?")
for axes in (left, middle, right):
    axes.grid(alpha=0.3)
    axes.legend()
save(figure, "05_losses.png")
