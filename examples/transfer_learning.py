"""Transfer learning: a network that tells digits apart learns from few examples how many holes a digit has.

Load the weights, replace the head, freeze the rest and train the head; then thaw, and tune everything at a small rate.
A network that starts from random weights has the same examples and as many steps.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import nncore as nc
from nncore.models import SmallCNN

HOLES = np.array([1, 0, 0, 0, 1, 0, 1, 0, 2, 1])  # closed loops in the digits 0 to 9


def digits(train: bool, each: int | None = None) -> tuple[nc.Tensor, nc.Tensor, nc.Tensor]:
    """Images, at most `each` of every digit, their digits, and how many holes these have."""
    data = nc.data.datasets.digits(train)
    chosen = np.concatenate([np.flatnonzero(data.targets == digit)[:each] for digit in range(10)])
    images = nc.tensor(data.data[chosen, None].astype(np.float32) / 16)
    return images, nc.tensor(data.targets[chosen]), nc.tensor(HOLES[data.targets[chosen]])


def fit(net: nc.nn.Module, images: nc.Tensor, labels: nc.Tensor, steps: int, lr: float) -> None:
    """Adam on random batches of 32, for the parameters that require gradients."""
    net.train()
    optimizer = nc.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        batch = nc.randint(0, len(labels), (32,))
        optimizer.zero_grad()
        nc.nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
        optimizer.step()


def accuracy(net: nc.nn.Module, images: nc.Tensor, labels: nc.Tensor) -> float:
    """The share of images whose highest score is at their label."""
    net.eval()
    with nc.no_grad():
        return (net(images).argmax(1) == labels).float().mean().item()


def main() -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--each", type=int, default=3, help="examples of every digit for the new task")
    options = parser.parse_args()
    nc.manual_seed(0)

    images, labels, _ = digits(train=True)
    test, test_labels, test_holes = digits(train=False)
    few, _, few_holes = digits(train=True, each=options.each)

    first = SmallCNN(num_classes=10, image_size=8)
    fit(first, images, labels, steps=3 * options.steps, lr=3e-3)
    print(f"which digit, from {len(labels)} examples: test accuracy {accuracy(first, test, test_labels):.3f}")

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "digits.safetensors")
        nc.save(first.state_dict(), file)
        net = SmallCNN(num_classes=10, image_size=8)
        net.load_state_dict(nc.load(file))  # load

    net.classifier[-1] = nc.nn.Linear(net.classifier[-1].in_features, 3)  # replace the head
    net.requires_grad_(False)  # freeze
    net.classifier[-1].requires_grad_(True)
    nc.summary(net, (1, 8, 8))
    fit(net, few, few_holes, steps=options.steps, lr=1e-2)
    print(f"how many holes, from {len(few)} examples, head alone: test accuracy {accuracy(net, test, test_holes):.3f}")

    net.requires_grad_(True)  # fine-tune
    fit(net, few, few_holes, steps=options.steps, lr=3e-4)
    tuned = accuracy(net, test, test_holes)
    print(f"the same, everything fine-tuned: {tuned:.3f}")

    fresh = SmallCNN(num_classes=3, image_size=8)
    fit(fresh, few, few_holes, steps=2 * options.steps, lr=3e-3)
    scratch = accuracy(fresh, test, test_holes)
    print(f"from random weights: {scratch:.3f}")
    return tuned - scratch


if __name__ == "__main__":
    main()
