# %% [markdown]
# # 14. Convolutional networks, and how they grew
#
# A convolution uses the same few weights at every place of an image: far fewer parameters than a linear layer, and what
# is learned at one place is known at all. From LeNet on, networks grew deeper until depth itself became the obstacle,
# and the residual connection took it away (He et al. 2016).

# %%
import time

import matplotlib.figure

import nncore as nc
from images import load
from pictures import QUICK, save

nn, F, models = nc.nn, nc.nn.functional, nc.models
images, labels, classes, name = load(train=True, limit=1000 if QUICK else 10000)
test_images, test_labels, _, _ = load(train=False, limit=300 if QUICK else 2000)


def accuracy(net: nn.Module, x: nc.Tensor, t: nc.Tensor) -> float:
    net.eval()
    with nc.no_grad():
        right = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(250), t.split(250)))
    return right / len(t)


def train(net: nn.Module, x: nc.Tensor, t: nc.Tensor, epochs: int, rate: float) -> list[float]:
    """One-cycle training with Adam; the loss of each step."""
    loader = nc.data.DataLoader(nc.data.TensorDataset(x, t), batch_size=64, shuffle=True)
    optimizer = nc.optim.Adam(net.parameters(), lr=rate)
    schedule = nc.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(loader))
    losses = []
    for _ in range(epochs):
        net.train()
        for a, b in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(a), b)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses


# %% [markdown]
# ## A small CNN on photographs of clothes
# The default network of `python -m nncore train`, which reaches 91 % on all 60,000 images of Fashion-MNIST in five
# epochs; here on fewer, so that it is quick.

# %%
nc.manual_seed(0)
cnn = models.SmallCNN(1, 10, images.shape[-1])
cnn_losses = train(cnn, images, labels, 4 if QUICK else 3, 3e-3)
cnn_accuracy = accuracy(cnn, test_images, test_labels)
print(f"small CNN on {len(images)} images of {name}: {cnn_accuracy:.1%} of {len(test_images)} test images right")

# %% [markdown]
# ## A residual network against a plain one of the same depth
# The same layers and parameters; in one the input of each block is added to its output. The paper's networks for
# CIFAR-10, on few images for few epochs: what counts is who learns at all.

# %%
DEPTH, FEW, EPOCHS = (14, 300, 1) if QUICK else (44, 1500, 3)
colour = images[:FEW].expand(-1, 3, -1, -1)
curves = {}
for kind, residual in (("residual", True), ("plain", False)):
    nc.manual_seed(0)
    net = models.CifarResNet(DEPTH, residual=residual)
    curves[kind] = train(net, colour, labels[:FEW], EPOCHS, 1e-2)
    last = sum(curves[kind][-10:]) / len(curves[kind][-10:])
    print(f"{kind:9} {DEPTH} layers, {sum(p.numel() for p in net.parameters())} parameters: loss at the end {last:.3f}")

# %% [markdown]
# ## The families of the history in one table
# All for ten classes and colour images of 32x32 pixels (AlexNet needs 64x64), one training step with a batch of 8.
# FLOPs are those of one image's way forward, multiplications and additions counted singly; papers often give half of
# that, multiply-adds.

# %%
FAMILIES = {
    "LeNet-5 (1998)": (lambda: models.LeNet5(10), (1, 28, 28)),
    "AlexNet (2012)": (lambda: models.alexnet(num_classes=10), (3, 64, 64)),
    "VGG-11 (2014)": (lambda: models.vgg11(num_classes=10), (3, 32, 32)),
    "GoogLeNet (2014)": (lambda: models.googlenet(num_classes=10, aux_logits=False), (3, 32, 32)),
    "ResNet-20 (2015)": (lambda: models.resnet20(), (3, 32, 32)),
    "ResNet-18 (2015)": (lambda: models.resnet18(num_classes=10), (3, 32, 32)),
    "Wide ResNet 28-10 (2016)": (lambda: models.wrn_28_10(), (3, 32, 32)),
    "DenseNet-121 (2016)": (lambda: models.densenet121(num_classes=10), (3, 32, 32)),
    "ResNeXt-50 (2016)": (lambda: models.resnext50_32x4d(num_classes=10), (3, 32, 32)),
    "SE-ResNet-50 (2017)": (lambda: models.se_resnet50(num_classes=10), (3, 32, 32)),
    "MobileNetV2 (2018)": (lambda: models.mobilenet_v2(num_classes=10), (3, 32, 32)),
}
CHOSEN = ("LeNet-5 (1998)", "ResNet-20 (2015)", "MobileNetV2 (2018)") if QUICK else tuple(FAMILIES)


def step_time(net: nn.Module, shape: tuple[int, ...], batch: int = 8) -> float:
    """Seconds for forward, backward and update: the shorter of two steps."""
    optimizer = nc.optim.SGD(net.parameters(), lr=0.01)
    x, t = nc.randn(batch, *shape), nc.randint(0, 10, (batch,))
    best = float("inf")
    net.train()
    for _ in range(2):
        start = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(net(x), t).backward()
        optimizer.step()
        best = min(best, time.perf_counter() - start)
    return best


table = {}
print(f"{'':26}{'input':>12}{'parameters':>14}{'FLOPs':>16}{'step of 8 [ms]':>16}")
for family in CHOSEN:
    build, shape = FAMILIES[family]
    nc.manual_seed(0)
    net = build()
    counts = nc.summary(net, shape, verbose=False)
    table[family] = (counts.parameters, 2 * counts.mult_adds, step_time(net, shape))
    size = "x".join(map(str, shape))
    print(f"{family:26}{size:>12}{table[family][0]:14,}{table[family][1]:16,}{1000 * table[family][2]:16.1f}")

# %%
figure = matplotlib.figure.Figure(figsize=(14, 4.6), layout="constrained")
left, right = figure.subplots(1, 2)
for (kind, losses), shade in zip(curves.items(), ("#0072B2", "#D55E00")):
    left.plot(range(1, len(losses) + 1), losses, color=shade, linewidth=1, label=f"{kind}, {DEPTH} layers")
left.set(xlabel="training step", ylabel="cross-entropy [nats]", title=f"With and without shortcuts ({name})")
left.legend()
left.grid(alpha=0.3)
times = [1000 * seconds for _, _, seconds in table.values()]
right.barh(list(table), times, color="#009E73")
right.invert_yaxis()
right.set(xlabel="training step, batch of 8 [ms]", xscale="log", title="The families at CIFAR size")
right.set_xlim(min(times) / 2, max(times) * (2 * max(times) / min(times)) ** 1.3)  # the bars' half, the table's half
right.set_xticks([10**k for k in range(5) if min(times) / 2 < 10**k < 2 * max(times)])
right.minorticks_off()
columns = {
    "parameters": [f"{p / 1e6:.2f} M" for p, _, _ in table.values()],
    "FLOPs": [f"{f / 1e6:,.1f} M" for _, f, _ in table.values()],
    "step [ms]": [f"{t:.1f}" for t in times],
}
for (heading, cells), x in zip(columns.items(), (0.66, 0.84, 0.99)):
    for y, cell in enumerate([heading, *cells], start=-1):
        right.text(x, y, cell, transform=right.get_yaxis_transform(), ha="right", va="center", fontsize=8)
right.set_ylim(len(table) - 0.5, -1.6)
save(figure, "14_networks.png")
