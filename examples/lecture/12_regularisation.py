# %% [markdown]
# # 12. Regularisation
#
# A network with more weights than it needs learns its training samples by heart, noise included: the training loss
# falls while the test loss rises. Here 200 digits, a fifth of them with a wrong label, and a network of 17,000 weights.

# %%
import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import QUICK, save

EPOCHS = 60 if QUICK else 150
training, test = (nc.data.datasets.digits(train=part) for part in (True, False))
images, labels = next(iter(nc.data.DataLoader(training, batch_size=200)))
test_images, test_labels = next(iter(nc.data.DataLoader(test, batch_size=len(test))))
random = np.random.default_rng(0)
wrong = random.choice(200, 40, replace=False)
noisy = labels.clone()
noisy[nc.tensor(wrong)] = nc.tensor((labels.numpy()[wrong] + random.integers(1, 10, 40)) % 10)
loss_of = nc.nn.CrossEntropyLoss()


def train(l1: float = 0.0, l2: float = 0.0, dropout: float = 0.0, batch_size: int = 50, lr: float = 3e-3) -> dict:
    """Trains a network; training and test loss after each epoch, the test accuracy, and the share of weights at 0."""
    nc.manual_seed(0)
    net = nc.nn.Sequential(
        nc.nn.Flatten(), nc.nn.Linear(64, 128), nc.nn.ReLU(), nc.nn.Dropout(dropout),
        nc.nn.Linear(128, 64), nc.nn.ReLU(), nc.nn.Dropout(dropout), nc.nn.Linear(64, 10),
    )  # fmt: skip
    weights = [p for p in net.parameters() if p.ndim == 2]  # biases are not held down
    optimizer = nc.optim.Adam(net.parameters(), lr=lr)
    loader = nc.data.DataLoader(nc.data.TensorDataset(images, noisy), batch_size=batch_size, shuffle=True)
    history = {"training": [], "test": []}
    for _ in range(EPOCHS):
        net.train()
        for x, t in loader:
            loss = loss_of(net(x), t)
            if l2:
                loss = loss + nc.nn.utils.l2_penalty(weights, l2)
            if l1:
                loss = loss + nc.nn.utils.l1_penalty(weights, l1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with nc.no_grad():
            history["training"].append(loss_of(net(images), noisy).item())
            scores = net(test_images)
            history["test"].append(loss_of(scores, test_labels).item())
    flat = np.concatenate([w.detach().numpy().ravel() for w in weights])
    return history | {
        "accuracy": (scores.argmax(1) == test_labels).to(nc.float32).mean().item(),
        "zeros": float((np.abs(flat) < 1e-3).mean()),
        "weights": flat,
    }


# %% [markdown]
# ## What each remedy does
# - L1 adds l1 * sum |w|: its gradient pulls with the same force however small a weight is, so unneeded ones reach 0.
# - L2 adds l2 * sum w^2: it pulls in proportion to the weight, so all become small and few become 0.
# - Dropout leaves out random neurons in each step, so that none can rely on another (Srivastava et al. 2014).
# - Small batches have noisy gradients, which keep the weights out of narrow minima; here that helps only a little.

# %%
SETTINGS = {
    "none": {},
    "L1": {"l1": 1e-3},
    "L2": {"l2": 3e-3},
    "dropout 0.5": {"dropout": 0.5},
    "batch of 200": {"batch_size": 200},
    "batch of 5": {"batch_size": 5, "lr": 1e-3},
}
results = {name: train(**options) for name, options in SETTINGS.items()}
print(f"{'':14}{'training loss':>15}{'test loss':>12}{'test accuracy':>15}{'weights at 0':>14}")
for name, r in results.items():
    print(f"{name:14}{r['training'][-1]:15.3f}{r['test'][-1]:12.3f}{r['accuracy']:15.1%}{r['zeros']:14.1%}")

# %%
figure = matplotlib.figure.Figure(figsize=(13, 7), layout="constrained")
panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
for axes, (name, r) in zip(panels, results.items()):
    axes.plot(r["training"], color="#0072B2", label="training, a fifth of the labels wrong")
    axes.plot(r["test"], color="#D55E00", label="test")
    axes.set(title=f"{name}: {r['accuracy']:.1%} of the test right", ylim=(0, 3.2))
    axes.grid(alpha=0.3)
panels[0].legend(fontsize=8)
for axes in panels[3:]:
    axes.set_xlabel("epoch")
for axes in panels[::3]:
    axes.set_ylabel("cross-entropy [nats]")
save(figure, "12_regularisation.png")

figure = matplotlib.figure.Figure(figsize=(9, 3.4), layout="constrained")
axes = figure.subplots()
for name, colour in (("none", "#999999"), ("L2", "#0072B2"), ("L1", "#D55E00")):
    axes.hist(results[name]["weights"], bins=np.linspace(-0.3, 0.3, 121), histtype="step", color=colour, label=name)
axes.set(
    xlabel="weight", ylabel="number of weights", yscale="log", title="L1 brings weights to zero, L2 makes them small"
)
axes.legend()
save(figure, "12_weights.png")
