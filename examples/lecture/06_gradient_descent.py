# %% [markdown]
# # 6. Gradient descent by hand
#
# A weight moves against its gradient: w <- w - rate * dL/dw. For L(w) = w^2 / 2 the gradient is w itself: from w = 3
# with a rate of 0.5 one step leads to 3 - 0.5 * 3 = 1.5.

# %%
import matplotlib.figure

import nncore as nc
from pictures import save


def descend(loss, start: float, rate: float, steps: int, noise: float = 0.0) -> list[float]:
    """The weights from the start on; noise is the standard deviation of what is added to each gradient."""
    w = nc.tensor(start, dtype=nc.float64, requires_grad=True)
    optimizer = nc.optim.SGD([w], lr=rate)
    path = [start]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).backward()
        w.grad.add_(noise * nc.randn((), dtype=nc.float64))
        optimizer.step()
        path.append(w.item())
    return path


def parabola(w):
    return w**2 / 2


first_step = descend(parabola, 3.0, 0.5, 1)
print(f"w = 3, gradient 3, rate 0.5: w = {first_step[1]}")

# %% [markdown]
# ## Too small, right, too large
# On this parabola each step multiplies w by 1 - rate. It shrinks while that is between -1 and 1: rates above 2 diverge.

# %%
rates = {0.05: "too small", 0.5: "right", 1.9: "jumps to and fro", 2.1: "too large: diverges"}
paths = {rate: descend(parabola, 3.0, rate, 20) for rate in rates}
for rate, path in paths.items():
    print(f"rate {rate:4}: after 20 steps w = {path[-1]:10.4f}   {rates[rate]}")

# %% [markdown]
# ## Local minima, and what noise does
# L(w) = w^4 / 4 - w^2 / 2 + 0.1 w has a shallow minimum near 0.95 and a deep one near -1.05, with a hill between.
# Plain gradient descent ends in whichever valley it starts in. The gradient of a mini-batch is noisy, and noise can
# carry the weight over the hill; it leaves the shallow valley more often than the deep one.


# %%
def two_valleys(w):
    return w**4 / 4 - w**2 / 2 + 0.1 * w


nc.manual_seed(0)
quiet = descend(two_valleys, 1.5, 0.05, 400)
noisy = [descend(two_valleys, 1.5, 0.05, 1500, noise=2.0) for _ in range(20)]
in_deep_valley = sum(path[-1] < 0 for path in noisy) / len(noisy)
print(
    f"without noise it ends at w = {quiet[-1]:.3f}; with noise {in_deep_valley:.0%} of the runs end in the deep valley"
)

# %%
figure = matplotlib.figure.Figure(figsize=(13, 4), layout="constrained")
left, middle, right = figure.subplots(1, 3)
for rate, path in paths.items():
    left.plot(path, marker="o", markersize=3, label=f"rate {rate:g}: {rates[rate]}")
left.set(xlabel="step", ylabel="weight w", ylim=(-8, 14), xticks=range(0, 21, 5), title="L(w) = w² / 2, from w = 3")
left.legend(fontsize=8, loc="upper left")

ws = nc.linspace(-1.7, 1.7, 200, dtype=nc.float64)
middle.plot(ws.numpy(), two_valleys(ws).numpy(), color="black", label="loss L(w)")
middle.plot(1.5, two_valleys(1.5), "k*", markersize=10, label="all begin here")
ends = [path[-1] for path in noisy]
middle.plot(ends, [two_valleys(w) for w in ends], "o", color="#0072B2", alpha=0.6, label="20 ends with noise")
middle.plot(quiet[-1], two_valleys(quiet[-1]), "s", color="#D55E00", label="end without noise")
middle.set(
    xlabel="weight w", ylabel="loss L(w)", title=f"{in_deep_valley:.0%} of the noisy runs end in the deep valley"
)
middle.legend(fontsize=8)

crossing = next((path for path in noisy if path[-1] < 0), noisy[0])
right.plot(crossing, linewidth=0.7, color="#0072B2", label="a run with noise")
right.plot(range(len(quiet)), quiet, color="#D55E00", label="without noise")
right.set(xlabel="step", ylabel="weight w", title="Noise carries the weight over the hill")
right.legend(fontsize=8)
save(figure, "06_gradient_descent.png")
