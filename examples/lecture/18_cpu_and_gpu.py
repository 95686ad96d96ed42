# %% [markdown]
# # 18. CPU against GPU
#
# Training is matrix products: millions of independent multiplications and additions. A CPU core does a few dozen per
# clock with its vector registers, a GPU thousands. But starting work on a GPU takes microseconds, and so does waking a
# second CPU core: small matrices are fastest on one. What follows is measured on the machine that runs it; where there
# is no GPU, the CPU stands alone.

# %%
import time

import matplotlib.figure

import nncore as nc
from pictures import QUICK, save

GPU = nc.cuda.is_available()
CORES = nc.get_num_threads()
SIZES = [2**k for k in range(3, 10 if QUICK else 12)]


def seconds(run, at_least: float = 0.02 if QUICK else 0.1) -> float:
    """The shortest time of one call, over as many calls as fit into the time given."""
    run()
    best, spent = float("inf"), 0.0
    while spent < at_least:
        start = time.perf_counter()
        run()
        best = min(best, took := time.perf_counter() - start)
        spent += took
    return best


def in_plain_python(n: int):
    """Three loops over lists: what the arithmetic costs when each step goes through the interpreter."""
    a = [[float(i + j) for j in range(n)] for i in range(n)]

    def multiply():
        return [[sum(a[i][k] * a[k][j] for k in range(n)) for j in range(n)] for i in range(n)]

    return multiply


def on_device(n: int, device: str):
    a, b = nc.randn(n, n).to(device), nc.randn(n, n).to(device)
    if device == "cpu":
        return lambda: a @ b
    return lambda: (a @ b)[0, 0].item()  # waits for the GPU, which runs by itself


# %% [markdown]
# ## One matrix product, from 8x8 on
# It takes 2 n^3 operations on 3 n^2 numbers: the larger the matrices, the more work for each number that is fetched.

# %%
times = {"plain Python": {n: seconds(in_plain_python(n)) for n in SIZES if n <= 64}}
for threads in sorted({1, CORES}):
    nc.set_num_threads(threads)
    name = "one CPU core" if threads == 1 else f"{threads} CPU cores"
    times[name] = {n: seconds(on_device(n, "cpu")) for n in SIZES}
if GPU:
    times["GPU"] = {n: seconds(on_device(n, "cuda")) for n in SIZES}

print(f"{'n':>6}" + "".join(f"{name:>24}" for name in times))
for n in SIZES:
    cells = [f"{2e-9 * n**3 / t[n]:.3f} GFLOP/s" if n in t else "" for t in times.values()]
    print(f"{n:6}" + "".join(f"{cell:>24}" for cell in cells))

# %% [markdown]
# ## A training step, by batch size
# A multi-layer perceptron, 784-512-512-10: forward, loss, backward, update. The samples of a batch share the weights
# that are fetched, so a larger batch is cheaper per sample until the arithmetic itself is the limit.


# %%
def training_step(batch: int, device: str):
    nc.manual_seed(0)
    nn = nc.nn
    net = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    ).to(device)  # fmt: skip
    optimizer = nc.optim.Adam(net.parameters())
    x, t = nc.randn(batch, 784).to(device), nc.randint(0, 10, (batch,)).to(device)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


BATCHES = [2**k for k in range(8 if QUICK else 11)]
steps = {device: {n: seconds(training_step(n, device)) for n in BATCHES} for device in ["cpu"] + ["cuda"] * GPU}
for device, by_batch in steps.items():
    print(f"{device}: " + ", ".join(f"batch {n}: {1e6 * t / n:.0f} us" for n, t in by_batch.items()) + " per sample")

# %%
figure = matplotlib.figure.Figure(figsize=(11, 4), layout="constrained")
left, right = figure.subplots(1, 2)
for (name, t), colour in zip(times.items(), ("#999999", "#D55E00", "#0072B2", "#009E73")):
    left.loglog(list(t), list(t.values()), "o-", markersize=3, color=colour, label=name)
left.set(xlabel="n", ylabel="time of one product [s]", title="n x n matrices, float32")
for (device, t), colour in zip(steps.items(), ("#0072B2", "#009E73")):
    right.loglog(list(t), [1e6 * s / n for n, s in t.items()], "o-", markersize=3, color=colour, label=device.upper())
right.set(xlabel="batch size", ylabel="time per sample [µs]", title="Training step of a 784-512-512-10 network")
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend()
figure.suptitle("CPU and GPU" if GPU else "CPU alone: this machine has no GPU that nncore can use")
save(figure, "18_cpu_and_gpu.png")
