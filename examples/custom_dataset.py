"""A data set of one's own: points on two spirals, made when they are asked for."""

import argparse
import math

import nncore as nc


class Spirals(nc.data.Dataset):
    """Point number i of two interleaved spirals, and which of them it is on."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> tuple[nc.Tensor, int]:
        arm, along = i % 2, i / self.count
        angle = 2 * math.pi * along + math.pi * arm
        return nc.tensor([along * math.cos(angle), along * math.sin(angle)]), arm


def main() -> float:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--picture", help="draw the spirals and the network's boundary between them to this file")
    options = parser.parse_args()
    nc.manual_seed(0)
    train, test = nc.data.random_split(Spirals(600), [500, 100])
    net = nc.nn.Sequential(nc.nn.Linear(2, 32), nc.nn.Tanh(), nc.nn.Linear(32, 32), nc.nn.Tanh(), nc.nn.Linear(32, 2))
    optimizer = nc.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(options.epochs):
        for points, arms in nc.data.DataLoader(train, batch_size=50, shuffle=True):
            optimizer.zero_grad()
            nc.nn.functional.cross_entropy(net(points), arms).backward()
            optimizer.step()
    points, arms = next(iter(nc.data.DataLoader(test, batch_size=len(test))))
    with nc.no_grad():
        right = (net(points).argmax(1) == arms).float().mean().item()
    print(f"{right:.0%} of the points it was not trained on")
    if options.picture:
        nc.viz.decision_boundary(net, points, arms, ["first arm", "second arm"], "Two spirals").savefig(options.picture)
    return right


if __name__ == "__main__":
    main()
