"""A gradient of a gradient: a critic whose slope is kept near 1 (Gulrajani et al. 2017), on points in the plane."""

import argparse

import nncore as nc


def penalty(critic: nc.nn.Module, points: nc.Tensor) -> nc.Tensor:
    """The mean of (|d critic / d x| - 1)^2, itself on the tape."""
    points = points.detach().requires_grad_()
    (slope,) = nc.autograd.grad(critic(points).sum(), points, create_graph=True)
    length = (slope * slope).sum(1).sqrt()
    return ((length - 1) ** 2).mean()


def main() -> float:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    nc.manual_seed(0)
    critic = nc.nn.Sequential(nc.nn.Linear(2, 32), nc.nn.Tanh(), nc.nn.Linear(32, 1))
    optimizer = nc.optim.Adam(critic.parameters(), lr=1e-2)
    last = 0.0
    for step in range(steps):
        real = nc.randn(64, 2) + 2.0
        fake = nc.randn(64, 2)
        share = nc.rand(64, 1)
        last = penalty(critic, share * real + (1 - share) * fake)
        loss = critic(fake).mean() - critic(real).mean() + 10 * last
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.3f}, penalty {last.item():.4f}")
    return last.item()


if __name__ == "__main__":
    main()
