# %% [markdown]
# # 7. Optimizers side by side
#
# All of them follow the gradient; they differ in how long a step they take, and in what they remember:
#
#     SGD        w -= rate g
#     momentum   v = 0.9 v + g, w -= rate v                  keeps going in a lasting direction (Polyak 1964)
#     AdaGrad    divides by the root of all g^2 so far       each weight has its own rate (Duchi, Hazan, Singer 2011)
#     RMSProp    by the root of a moving average of g^2      it forgets (Hinton 2012)
#     Adam       momentum and RMSProp together               (Kingma, Ba 2015)
#     AMSGrad    Adam, whose divisor never shrinks           (Reddi, Kale, Kumar 2018)
#     Newton     w -= H^-1 g                                 looks at the curvature, n^2 numbers for n weights

# %%
import matplotlib.figure
import numpy as np

import nncore as nc
from pictures import FOLDER, QUICK, save

optim = nc.optim
OPTIMIZERS = {
    "SGD": lambda w, rate: optim.SGD(w, rate),
    "momentum": lambda w, rate: optim.SGD(w, rate, momentum=0.9),
    "AdaGrad": lambda w, rate: optim.Adagrad(w, 20 * rate),
    "RMSProp": lambda w, rate: optim.RMSprop(w, rate),
    "Adam": lambda w, rate: optim.Adam(w, 3 * rate),
    "AMSGrad": lambda w, rate: optim.Adam(w, 3 * rate, amsgrad=True),
    "Newton": lambda w, rate: optim.Newton(w),
}


def walk(loss, start: tuple[float, float], rate: float, steps: int, make) -> np.ndarray:
    """The weights after each step [steps + 1, 2]."""
    w = nc.tensor(start, dtype=nc.float64, requires_grad=True)
    optimizer = make([w], rate)
    way = [start]

    def closure():
        return loss(w[0], w[1])

    for _ in range(steps):
        if isinstance(optimizer, optim.Newton):
            optimizer.step(closure)
        else:
            optimizer.zero_grad()
            closure().backward()
            optimizer.step()
        way.append(tuple(w.tolist()))
        if not np.isfinite(way[-1]).all() or np.abs(way[-1]).max() > 1e3:
            break
    return np.array(way)


# %% [markdown]
# ## Three landscapes
# - A saddle: flat in one direction, falling in the other. Newton's method is drawn to it, because the gradient is 0
#   there; the others leave it, faster where small gradients are scaled up.
# - A ravine, twenty times steeper across than along: SGD's rate is limited by the steep walls.
# - Beale's function, with its minimum at (3, 0.5) behind a plateau. Far from a minimum the curvature misleads: Newton's
#   first step there leads out of the picture, and on to infinity. Damping it (`damping=`) would help.


# %%
def saddle(x, y):
    return x**2 - y**2 + y**4 / 8


def ravine(x, y):
    return x**2 / 2 + 10 * y**2


def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


Landscape, STEPS = nc.viz.Landscape, 150 if QUICK else 400
PROBLEMS = {
    Landscape("saddle", saddle, (-1.5, 1.5), (-0.6, 2.4), (0, 2)): ((-1.2, 0.02), 0.02, 150),
    Landscape("ravine", ravine, (-4.5, 1), (-1.3, 1.3), (0, 0)): ((-4.0, 1.0), 0.03, 150),
    Landscape("Beale's function", beale, (-0.5, 4.2), (-1.2, 1.2), (3, 0.5)): (
        (1.0, -1.0),
        0.01,
        150 if QUICK else 400,
    ),
}
ways = {
    land: {name: walk(land.loss, start, rate, steps, make) for name, make in OPTIMIZERS.items()}
    for land, (start, rate, steps) in PROBLEMS.items()
}


def loss_at(land: Landscape, point) -> float:
    return float(land.loss(*(nc.tensor(v, dtype=nc.float64) for v in point)))


print(f"{'loss at the end':>18}" + "".join(f"{name:>12}" for name in OPTIMIZERS))
final = {land.name: {name: loss_at(land, way[-1]) for name, way in ways[land].items()} for land in ways}
for name, losses in final.items():
    print(f"{name:>18}" + "".join(f"{loss:12.2e}" for loss in losses.values()))

save(nc.viz.paths(ways), "07_optimizers.png")
animation = nc.viz.animate_paths(ways, frames=5 if QUICK else 70)
animation.save(FOLDER / "07_optimizers.gif", writer="pillow", dpi=60)
print(f"animation: {FOLDER / '07_optimizers.gif'}")

# %% [markdown]
# ## Where Adam fails and AMSGrad does not
# The example of Reddi, Kale and Kumar: a weight between -1 and 1, and samples of two kinds. Every third one has the
# gradient C = 3, the others -1, so on average the loss falls towards w = -1. But Adam divides by the root of a moving
# average of g^2: right after the rare large gradient it has forgotten how large it was when the small ones come, so
# that those count for more. It walks to the worst weight, +1.

# %%
C, ROUNDS = 3.0, 2000 if QUICK else 6000


def online(amsgrad: bool) -> list[float]:
    w = nc.tensor(0.0, dtype=nc.float64, requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1, betas=(0.0, 1 / (1 + C**2)), eps=1e-8, amsgrad=amsgrad)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda t: (1 + t) ** -0.5)
    way = []
    for t in range(ROUNDS):
        w.grad = nc.tensor(C if t % 3 == 0 else -1.0, dtype=nc.float64)
        optimizer.step()
        schedule.step()
        with nc.no_grad():
            w.clamp_(-1, 1)
        way.append(w.item())
    return way


adam_way, amsgrad_way = online(False), online(True)
print(f"best weight -1: Adam ends at {adam_way[-1]:+.3f}, AMSGrad at {amsgrad_way[-1]:+.3f}")

# %%
figure = matplotlib.figure.Figure(figsize=(12, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
ravine_land = next(land for land in ways if land.name == "ravine")
for name, way in ways[ravine_land].items():
    left.semilogy([max(loss_at(ravine_land, point), 1e-17) for point in way], label=name)
left.set(xlabel="step", ylabel="loss", title="The ravine: loss by steps", ylim=(1e-12, 1e2))
right.plot(adam_way, color="#D55E00", label="Adam")
right.plot(amsgrad_way, color="#0072B2", label="AMSGrad")
right.axhline(-1, color="black", linestyle=":", label="best weight")
right.set(xlabel="sample", ylabel="weight", title="Adam forgets the rare large gradient")
for axes in (left, right):
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
save(figure, "07_losses_and_amsgrad.png")
