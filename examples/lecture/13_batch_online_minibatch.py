# %% [markdown]
# # 13. Batch, online and mini-batch learning
#
# The same 1000 samples and the same loop; only the batch size differs:
#
#     batch        all 1000 in one update      1 update per epoch      the exact gradient, slow progress
#     online       one sample per update       1000 updates            a noisy gradient, much overhead
#     mini-batch   50 samples per update       20 updates              what is used in practice

# %%
import time

import matplotlib.figure

import nncore as nc
from pictures import QUICK, save

SAMPLES, EPOCHS = 1000, 5 if QUICK else 15
digits = nc.data.datasets.digits()
samples = nc.data.Subset(digits, range(SAMPLES))
everything = next(iter(nc.data.DataLoader(samples, batch_size=SAMPLES)))
loss_of = nc.nn.CrossEntropyLoss()


def learn(batch_size: int) -> tuple[int, list[float], list[float]]:
    """Updates per epoch, and after each epoch the loss over all samples and the seconds spent learning."""
    nc.manual_seed(0)
    net = nc.nn.Sequential(nc.nn.Flatten(), nc.nn.Linear(64, 32), nc.nn.ReLU(), nc.nn.Linear(32, 10))
    optimizer = nc.optim.SGD(net.parameters(), lr=0.1)
    loader = nc.data.DataLoader(samples, batch_size=batch_size, shuffle=True)
    losses, seconds, spent = [], [], 0.0
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            loss_of(net(images), labels).backward()
            optimizer.step()
        spent += time.perf_counter() - start
        with nc.no_grad():
            losses.append(loss_of(net(everything[0]), everything[1]).item())
        seconds.append(spent)
    return len(loader), losses, seconds


SETTINGS = {"batch": SAMPLES, "online": 1, "mini-batch": 50}
results = {name: learn(size) for name, size in SETTINGS.items()}
for name, (updates, losses, seconds) in results.items():
    print(
        f"{name:11} {updates:5} updates per epoch, {1000 * seconds[-1] / EPOCHS:7.1f} ms per epoch, "
        f"loss after {EPOCHS} epochs {losses[-1]:.4f}"
    )

# %% [markdown]
# For the same time, mini-batches win: a sum over 50 samples costs a matrix product hardly more than one sample, and 20
# updates go further than one.

# %%
figure = matplotlib.figure.Figure(figsize=(11, 4), layout="constrained")
by_epoch, by_time = figure.subplots(1, 2)
for (name, (updates, losses, seconds)), colour in zip(results.items(), ("#0072B2", "#D55E00", "#009E73")):
    label = f"{name}: {updates} update{'s' * (updates > 1)} per epoch"
    by_epoch.semilogy(range(1, EPOCHS + 1), losses, "o-", markersize=3, color=colour, label=label)
    by_time.loglog([1000 * s for s in seconds], losses, "o-", markersize=3, color=colour, label=label)
by_epoch.set(xlabel="epoch", ylabel="cross-entropy over all samples [nats]", title="By epochs")
by_time.set(xlabel="time spent learning [ms]", ylabel="cross-entropy over all samples [nats]", title="By time")
for axes in (by_epoch, by_time):
    axes.grid(alpha=0.3)
    axes.legend()
save(figure, "13_batch_online_minibatch.png")
