# %% [markdown]
# # 15. Wasserstein GANs
#
# A generator turns noise into samples; a critic scores real samples high and generated ones low. If the critic's slope
# is nowhere above 1, the most by which it can tell them apart is Wasserstein's distance (Kantorovich and Rubinstein),
# and the generator goes down its gradient (Arjovsky, Chintala, Bottou 2017). The slope is held down in two ways:
#
# - clipping: every weight of the critic is cut to [-c, c] after each step. The slope is bounded, nobody knows by what.
# - gradient penalty: 10 (||d critic / dx|| - 1)^2 is added to the critic's loss, at points between real and generated
#   ones (Gulrajani et al. 2017). Training then needs the gradient of a gradient.

# %%
import itertools
import math

import matplotlib.figure
import numpy as np
from scipy.optimize import linear_sum_assignment

import nncore as nc
from pictures import QUICK, save

F, nn = nc.nn.functional, nc.nn
BATCH, CRITIC_STEPS = 128, 5


def mlp(*sizes: int) -> list[nn.Module]:
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers[:-1]


class Wgan:
    """A generator and a critic, and the step that trains them."""

    def __init__(self, generator: nn.Module, critic: nn.Module, noise: int, clip: float | None = None):
        self.generator, self.critic, self.noise, self.clip = generator, critic, noise, clip
        if clip is None:
            self.optimizers = [nc.optim.Adam(m.parameters(), lr=1e-3, betas=(0.5, 0.9)) for m in (generator, critic)]
        else:  # as in the first paper: momentum disturbs a clipped critic
            self.optimizers = [nc.optim.RMSprop(m.parameters(), lr=5e-4) for m in (generator, critic)]

    def sample(self, count: int) -> nc.Tensor:
        return self.generator(nc.randn(count, self.noise))

    def train_critic(self, real: nc.Tensor) -> float:
        """One step of the critic; what it takes the distance for."""
        with nc.no_grad():
            fake = self.sample(len(real))
        loss = F.wasserstein_critic_loss(self.critic(real), self.critic(fake))
        distance = -loss.item()
        if self.clip is None:
            loss = loss + F.gradient_penalty(self.critic, real, fake)
        self.optimizers[1].zero_grad()
        loss.backward()
        self.optimizers[1].step()
        if self.clip is not None:
            nn.utils.clip_weights_(self.critic.parameters(), self.clip)
        return distance

    def train_generator(self) -> None:
        loss = F.wasserstein_generator_loss(self.critic(self.sample(BATCH)))
        self.optimizers[0].zero_grad()
        loss.backward()
        self.optimizers[0].step()

    def slopes(self, real: nc.Tensor) -> np.ndarray:
        """The critic's slope at points between real and generated samples."""
        share = nc.rand(len(real), *[1] * (real.ndim - 1))
        with nc.no_grad():
            between = share * real + (1 - share) * self.sample(len(real))
        between.requires_grad_()
        (slope,) = nc.autograd.grad(self.critic(between).sum(), between)
        return np.linalg.norm(slope.numpy().reshape(len(real), -1), axis=1)


# %% [markdown]
# ## Eight normal distributions on a circle


# %%
def eight_gaussians(count: int) -> nc.Tensor:
    angle = 2 * math.pi * nc.randint(0, 8, (count,)).to(nc.float32) / 8
    return 2 * nc.stack([nc.cos(angle), nc.sin(angle)], 1) + 0.1 * nc.randn(count, 2)


def true_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein's distance of two sets of as many points: the cheapest way to pair them up."""
    way = np.linalg.norm(a[:, None] - b[None], axis=2)
    return way[linear_sum_assignment(way)].mean()


def covered(points: np.ndarray) -> int:
    """How many of the eight have at least 3 % of the samples within three deviations."""
    angles = 2 * np.pi * np.arange(8) / 8
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
    near = np.linalg.norm(points[:, None] - centres[None], axis=2) < 0.3
    return int((near.mean(0) > 0.03).sum())


STEPS = 150 if QUICK else 2000
SHOW = [0, STEPS // 10, STEPS // 3, STEPS]


def train_on_gaussians(clip: float | None) -> dict:
    nc.manual_seed(0)
    gan = Wgan(nn.Sequential(*mlp(2, 64, 64, 2)), nn.Sequential(*mlp(2, 64, 64, 1)), noise=2, clip=clip)
    history = {"step": [], "critic": [], "true": []}
    shown = {}
    for step in range(STEPS + 1):
        critic = [gan.train_critic(eight_gaussians(BATCH)) for _ in range(CRITIC_STEPS)]
        if step % max(1, STEPS // 40) == 0 or step in SHOW:
            with nc.no_grad():
                fake = gan.sample(256).numpy()
            history["step"].append(step)
            history["critic"].append(float(np.mean(critic)))
            history["true"].append(true_distance(eight_gaussians(256).numpy(), fake))
            if step in SHOW:
                shown[step] = fake
        gan.train_generator()
    return {"history": history, "shown": shown, "slopes": gan.slopes(eight_gaussians(1024)), "covered": covered(fake)}


gaussians = {"clipping, c = 0.05": train_on_gaussians(0.05), "gradient penalty": train_on_gaussians(None)}
floor = true_distance(eight_gaussians(256).numpy(), eight_gaussians(256).numpy())
print(f"true distance of two samples of 256 real points: {floor:.3f} (what a perfect generator would reach)")
for name, run in gaussians.items():
    h = run["history"]
    print(
        f"{name:20} true distance {h['true'][0]:.3f} -> {h['true'][-1]:.3f}, critic says {h['critic'][0]:.3f} -> "
        f"{h['critic'][-1]:.3f}, {run['covered']} of 8 covered, critic's slope {run['slopes'].mean():.3f} "
        f"(deviation {run['slopes'].std():.3f})"
    )

# %% [markdown]
# ## Handwritten digits, 8x8 pixels

# %%
DIGIT_STEPS = 40 if QUICK else 1500
digits = nc.data.datasets.digits()
everything = next(iter(nc.data.DataLoader(digits, batch_size=len(digits))))[0].reshape(-1, 64)
nc.manual_seed(1)
gan = Wgan(nn.Sequential(*mlp(16, 128, 128, 64), nn.Sigmoid()), nn.Sequential(*mlp(64, 128, 128, 1)), noise=16)
fixed = nc.randn(12, 16)
drawn, digit_critic = {}, []
for step in range(DIGIT_STEPS + 1):
    for _ in range(CRITIC_STEPS):
        distance = gan.train_critic(everything[nc.randint(0, len(digits), (BATCH,))])
    digit_critic.append(distance)
    if step in (0, DIGIT_STEPS // 15, DIGIT_STEPS // 5, DIGIT_STEPS):
        with nc.no_grad():
            drawn[step] = gan.generator(fixed).numpy().reshape(-1, 8, 8)
    gan.train_generator()
digit_slopes = gan.slopes(everything[:1024])
print(f"digits: critic says {digit_critic[4]:.3f} -> {digit_critic[-1]:.3f}, slope {digit_slopes.mean():.3f}")

# %%
figure = matplotlib.figure.Figure(figsize=(12, 6.2), layout="constrained")
cells = figure.subplots(2, len(SHOW), sharex=True, sharey=True)
real = eight_gaussians(400).numpy()
for row, (name, run) in zip(cells, gaussians.items()):
    for axes, (step, fake) in zip(row, run["shown"].items()):
        axes.plot(*real.T, ".", markersize=2, color="#BBBBBB", label="real")
        axes.plot(*fake.T, ".", markersize=3, color="#D55E00", label="generated")
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=f"{name}\nstep {step}")
cells[0, 0].legend(fontsize=8, loc="upper right")
for axes in cells[:, 0]:
    axes.set_ylabel("x₂")
for axes in cells[-1]:
    axes.set_xlabel("x₁")
save(figure, "15_gaussians.png")

figure = matplotlib.figure.Figure(figsize=(13, 3.8), layout="constrained")
panels = figure.subplots(1, 3)
for axes, (name, run) in zip(panels, gaussians.items()):
    axes.plot(run["history"]["step"], run["history"]["true"], color="black", label="true distance")
    axes.plot(run["history"]["step"], run["history"]["critic"], color="#D55E00", label="what the critic says")
    axes.axhline(floor, color="black", linewidth=0.8, linestyle=":", label="two sets of real points")
    axes.set(xlabel="step of the generator", ylabel="Wasserstein distance", title=name, ylim=(0, None))
    axes.legend(fontsize=8)
for (name, run), colour in zip(gaussians.items(), ("#999999", "#0072B2")):
    panels[2].hist(run["slopes"], bins=np.linspace(0, 2, 61), density=True, alpha=0.6, color=colour, label=name)
panels[2].set(xlabel="norm of the critic's gradient", ylabel="density", title="Only the penalty keeps the slope near 1")
panels[2].legend(fontsize=8)
save(figure, "15_distances.png")

figure = nc.viz.image_grid(
    {f"step {step}": images for step, images in drawn.items()},
    title="The same noise through the generator, as it learns",
)
save(figure, "15_digits.png")
