# %% [markdown]
# # 10. Convolution by hand
#
# A filter is a small table of weights for each input channel. It is laid over the image, each weight is multiplied by
# the pixel below it, and everything is added up, over all channels: one number. Then the filter moves on. With an
# extent of H, a filter of R, padding P at both ends and a stride of S there are (H + 2 P - R) / S + 1 places:
# (5 + 2 - 3) / 2 + 1 = 3 here.

# %%
import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import save

F = nc.nn.functional
random = np.random.default_rng(3)
image = random.integers(0, 3, (3, 5, 5)).astype(np.float32)  # C, H, W
filters = random.integers(-1, 2, (2, 3, 3, 3)).astype(np.float32)  # K, C, R, S
bias = np.array([1.0, 0.0], np.float32)


def convolve_by_hand(image, filters, bias, padding, stride):
    """The definition, as six loops: over filters, places, and the weights at each place."""
    K, C, R, S = filters.shape
    H, W = ((extent + 2 * padding - r) // stride + 1 for extent, r in zip(image.shape[1:], (R, S)))
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    result = np.zeros((K, H, W), np.float32)
    for k in range(K):
        for p in range(H):
            for q in range(W):
                total = bias[k]
                for c in range(C):
                    for r in range(R):
                        for s in range(S):
                            total += filters[k, c, r, s] * padded[c, p * stride + r, q * stride + s]
                result[k, p, q] = total
    return result


by_hand = convolve_by_hand(image, filters, bias, padding=1, stride=2)
layer = nc.nn.Conv2d(3, 2, kernel_size=3, stride=2, padding=1)
layer.load_state_dict({"weight": nc.from_numpy(filters), "bias": nc.from_numpy(bias)})
with nc.no_grad():
    by_layer = layer(nc.from_numpy(image))
print("by hand:", by_hand.tolist())
print("nn.Conv2d says the same:", np.array_equal(by_hand, by_layer.numpy()))
print(f"weights: 2 * 3 * 3 * 3 + 2 = {sum(p.numel() for p in layer.parameters())}")

# %% [markdown]
# ## A convolution of 1x1 is a linear layer for each pixel
# It mixes the channels of one pixel and looks at no neighbour: GoogLeNet and ResNet use it to change the number of
# channels cheaply.

# %%
pixels = nc.randn(1, 3, 4, 4)
mix = nc.randn(5, 3)
as_convolution = nc.conv2d(pixels, mix.reshape(5, 3, 1, 1))
as_linear = F.linear(pixels.permute(0, 2, 3, 1), mix).permute(0, 3, 1, 2)
difference_1x1 = (as_convolution - as_linear).abs().max().item()
print(f"1x1 convolution against a linear layer per pixel: largest difference {difference_1x1:.1e}")

# %% [markdown]
# ## One dimension: a series of temperatures
# A filter of equal weights is a moving average; one of (-1/2, 0, 1/2) is the rate of change. Here: a year of daily
# temperatures (a yearly wave with the weather's noise on it), smoothed over 15 days.

# %%
days = np.arange(365)
temperature = (10 - 9 * np.cos(2 * np.pi * (days - 20) / 365) + 3 * random.standard_normal(365)).astype(np.float32)
series = nc.from_numpy(temperature).reshape(1, 1, 365)
smooth = nc.conv1d(series, nc.full((1, 1, 15), 1 / 15))
change = nc.conv1d(smooth, nc.tensor([[[-0.5, 0.0, 0.5]]]))
print(f"1-D: {series.shape[-1]} days, {smooth.shape[-1]} averages of 15, {change.shape[-1]} rates of change")
jumps = [np.abs(np.diff(x.reshape(-1).numpy())).mean() for x in (series, smooth)]
print(f"     mean change from day to day {jumps[0]:.2f} °C, after smoothing {jumps[1]:.2f} °C")

# %% [markdown]
# ## Three dimensions: a small volume
# A filter with a depth too, for films and scans. The edges of a block of ones in a volume of zeros:

# %%
volume = nc.zeros(1, 1, 6, 6, 6)
volume[:, :, 2:4, 2:4, 2:4] = 1.0
laplace = nc.zeros(1, 1, 3, 3, 3)
laplace[0, 0, 1, 1, :] = laplace[0, 0, 1, :, 1] = laplace[0, 0, :, 1, 1] = -1.0
laplace[0, 0, 1, 1, 1] = 6.0
edges = nc.conv3d(volume, laplace, padding=1)
print(f"3-D: {tuple(volume.shape[2:])} -> {tuple(edges.shape[2:])}; inside the block {edges[0, 0, 2, 2, 2].item():g}")

# %% [markdown]
# ## Pooling on a table of 8x8
# Windows of 2x2 with stride 2: the largest, or the mean, of each. Extents are halved, 224 to 112; nothing is learned.

# %%
table = np.array(
    [
        [1, 3, 2, 1, 0, 2, 4, 1], [2, 9, 1, 1, 3, 1, 0, 5], [1, 3, 2, 3, 8, 2, 1, 1], [5, 6, 1, 2, 1, 0, 2, 7],
        [0, 1, 4, 4, 2, 2, 3, 3], [2, 3, 4, 4, 1, 6, 0, 1], [7, 0, 1, 2, 5, 5, 9, 2], [1, 2, 3, 0, 5, 5, 1, 4],
    ],
    np.float32,
)  # fmt: skip
cells = nc.from_numpy(table).reshape(1, 1, 8, 8)
largest, mean = F.max_pool2d(cells, 2), F.avg_pool2d(cells, 2)
print("max:", largest[0, 0].tolist())
print("mean:", mean[0, 0].tolist())
halved = F.max_pool2d(nc.zeros(1, 64, 224, 224), 2).shape
print(f"224x224 -> {halved[2]}x{halved[3]}")

# %%
picture = nc.viz.matrices(
    {
        **{f"input, channel {c}": image[c] for c in range(3)},
        **{f"filter {k}, channel {c}": filters[k, c] for k in range(2) for c in range(3)},
        **{f"output {k} (bias {bias[k]:g})": by_hand[k] for k in range(2)},
    },
    columns=3,
    title="5x5x3 input, padding 1, stride 2, two filters of 3x3x3",
)
save(picture, "10_convolution.png")
tables = {"8x8 table": table, "max pooling 2x2": largest[0, 0].numpy(), "average pooling 2x2": mean[0, 0].numpy()}
save(nc.viz.matrices(tables, columns=3, title="Pooling"), "10_pooling.png")

figure = matplotlib.figure.Figure(figsize=(9, 3.4), layout="constrained")
axes = figure.subplots()
axes.plot(days, temperature, ".", markersize=3, color="#999999", label="daily temperature")
axes.plot(days[7:-7], smooth.reshape(-1).numpy(), color="#D55E00", label="filter of 15 equal weights")
axes.set(xlabel="day of the year", ylabel="temperature [°C]", title="A convolution over time")
axes.legend()
save(figure, "10_temperatures.png")
