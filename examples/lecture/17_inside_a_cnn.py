# %% [markdown]
# # 17. Inside a trained CNN, and making it smaller
#
# What do its filters look for? Which pixels decided? And how much of it is needed: weights can be left out (pruning),
# batch normalisation can be folded into the convolution before it, and 8 bits for each weight are enough.

# %%
import copy

import matplotlib.figure
import numpy as np

import nncore as nc
from images import load
from pictures import QUICK, save

nn, F = nc.nn, nc.nn.functional
images, labels, classes, name = load(train=True, limit=1000 if QUICK else 20000)
test_images, test_labels, _, _ = load(train=False, limit=300 if QUICK else 2000)


def block(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


nc.manual_seed(0)
net = nn.Sequential(
    *(nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
    *(*block(16, 32), nn.MaxPool2d(2), *block(32, 64)),
    *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
)


def accuracy(model: nn.Module) -> float:
    """The share of the test images that it recognises."""
    model.eval()
    with nc.no_grad():
        right = [(model(x).argmax(1) == t).sum().item() for x, t in zip(test_images.split(250), test_labels.split(250))]
    return sum(right) / len(test_labels)


def train(model: nn.Module, epochs: int, rate: float, after_step=lambda: None) -> None:
    optimizer = nc.optim.Adam(model.parameters(), lr=rate)
    loader = nc.data.DataLoader(nc.data.TensorDataset(images, labels), batch_size=64, shuffle=True)
    schedule = nc.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(loader))
    for _ in range(epochs):
        model.train()
        for x, t in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()
            schedule.step()
            after_step()


train(net, 3 if QUICK else 4, 1e-2)
cost = {"as trained": accuracy(net)}
print(f"{name}: {cost['as trained']:.1%} of the test images after training")

# %% [markdown]
# ## The first filters
# They read the image itself, so they can be looked at as images: edges of all directions, and spots.

# %%
figure = nc.viz.kernels(net[0].weight, title="The sixteen filters of the first layer")
save(figure, "17_filters.png")

# %% [markdown]
# ## Which pixels decided?
# - Saliency (Simonyan, Vedaldi, Zisserman 2014): |d score / d pixel|, one backward pass down to the image.
# - Grad-CAM (Selvaraju et al. 2017): the last convolution's channels, weighted by the mean gradient of the score with
#   respect to each: coarse, but about what is there rather than about single pixels.


# %%
def explain(x: nc.Tensor) -> tuple[int, np.ndarray, np.ndarray]:
    """The predicted class of one image [1, 1, H, W], its saliency [H, W] and its Grad-CAM map."""
    net.eval()
    x = x.clone().requires_grad_()
    features = x
    for layer in net[:-3]:
        features = layer(features)
    scores = net[-3:](features)
    best = scores[0].argmax().item()
    slope, by_feature = nc.autograd.grad(scores[0, best], [x, features])
    weights = by_feature.mean([2, 3], keepdim=True)
    cam = nc.relu((weights * features.detach()).sum(1))[0]
    return best, slope.abs()[0, 0].numpy(), (cam / cam.max().clamp(min=1e-12)).numpy()


shown = [int(np.flatnonzero(test_labels.numpy() == c)[0]) for c in range(6)]
explained = {i: explain(test_images[i : i + 1]) for i in shown}
figure = matplotlib.figure.Figure(figsize=(10, 5.4), layout="constrained")
for column, (i, (best, saliency, cam)) in zip(figure.subplots(3, len(shown)).T, explained.items()):
    picture = test_images[i, 0].numpy()
    height, width = picture.shape
    column[0].imshow(picture, cmap="gray_r")
    column[0].set_title(f"{classes[best]}", fontsize=9)
    shown_saliency = column[1].imshow(saliency / saliency.max(), cmap="inferno")
    column[2].imshow(picture, cmap="gray_r")
    column[2].imshow(
        cam, cmap="inferno", alpha=0.5, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear"
    )
    for axes in column:
        axes.set(xticks=[], yticks=[])
for axes, label in zip(figure.axes[:: len(shown)], ("image,\nand what it says", "saliency", "Grad-CAM")):
    axes.set_ylabel(label)
figure.colorbar(shown_saliency, ax=figure.axes, shrink=0.6, label="share of the image's largest value")
figure.suptitle(f"What decided ({name})")
save(figure, "17_explained.png")

# %% [markdown]
# ## Pruning
# The weights nearest to 0 are set to 0, the rest learn for a little while to do without them (Han et al. 2015).


# %%
def prune(model: nn.Module, share: float) -> list[tuple[nc.Tensor, nc.Tensor]]:
    """Sets that share of each layer's weights to 0; the weights and masks of what stays."""
    kept = []
    with nc.no_grad():
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                size = layer.weight.abs()
                limit = np.quantile(size.numpy(), share)
                mask = (size > float(limit)).to(nc.float32)
                layer.weight.mul_(mask)
                kept.append((layer.weight, mask))
    return kept


def hold(kept) -> None:
    with nc.no_grad():
        for weight, mask in kept:
            weight.mul_(mask)


for share in (0.5, 0.8, 0.9):
    smaller = copy.deepcopy(net)
    kept = prune(smaller, share)
    cost[f"{share:.0%} of the weights pruned"] = accuracy(smaller)
    train(smaller, 1, 3e-3, after_step=lambda kept=kept: hold(kept))
    cost[f"{share:.0%} pruned, then one epoch"] = accuracy(smaller)
zeros = sum((weight == 0).sum().item() for weight, _ in kept) / sum(weight.numel() for weight, _ in kept)

# %% [markdown]
# ## Batch normalisation folded into the convolution
# In evaluation a batch normalisation is y = (x - mean) / sqrt(var + eps) * gamma + beta with fixed numbers: one scale
# and one shift for each channel, which the convolution before it can take into its weights and biases.
# `nn.utils.fuse_conv_bn_eval` does it in one call; here it is step by step, and compared with that.


# %%
def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what both did in evaluation."""
    folded = copy.deepcopy(convolution)
    with nc.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        folded.weight.copy_(convolution.weight * scale.reshape(-1, 1, 1, 1))
        folded.bias.copy_((convolution.bias - norm.running_mean) * scale + norm.bias)
    return folded


layers, skip = [], False
for layer, following in zip(net, [*net[1:], None]):
    if not skip:
        layers.append(fold(layer, following) if isinstance(following, nn.BatchNorm2d) else layer)
    skip = isinstance(following, nn.BatchNorm2d)
folded = nn.Sequential(*layers)
net.eval()
with nc.no_grad():
    fold_error = (folded(test_images[:100]) - net(test_images[:100])).abs().max().item()
    by_library = nn.utils.fuse_conv_bn_eval(net[0], net[1]).weight
    fold_difference = (by_library - folded[0].weight).abs().max().item()
cost["batch norm folded"] = accuracy(folded)
print(f"{len(net)} layers folded to {len(folded)}; largest difference of the scores {fold_error:.1e}")

# %% [markdown]
# ## Eight bits
# Each output channel's weights are rounded to integers from -127 to 127 times one scale: a quarter of the memory.


# %%
def quantise(weight: nc.Tensor, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers, and for each output channel what they are multiplied by."""
    most = 2 ** (bits - 1) - 1
    w = weight.detach().numpy()
    scale = np.abs(w).max(axis=tuple(range(1, w.ndim)), keepdims=True) / most
    return np.round(w / scale).astype(np.int8), scale


for bits in (8, 4, 2):
    rounded = copy.deepcopy(folded)
    with nc.no_grad():
        for layer in rounded:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                integers, scale = quantise(layer.weight, bits)
                layer.weight.copy_(nc.from_numpy((integers * scale).astype(np.float32)))
    cost[f"weights in {bits} bits"] = accuracy(rounded)

for change, share in cost.items():
    print(f"{change:32} {share:7.1%}   {100 * (share - cost['as trained']):+6.1f} points")

# %%
figure = matplotlib.figure.Figure(figsize=(9, 4), layout="constrained")
axes = figure.subplots()
bars = axes.barh(list(cost), [100 * share for share in cost.values()], color="#0072B2")
axes.bar_label(bars, [f"{share:.1%}" for share in cost.values()], padding=3)
axes.invert_yaxis()
axes.set(xlabel="test accuracy [%]", xlim=(0, 109), title=f"What making the network smaller costs ({name})")
save(figure, "17_smaller.png")
