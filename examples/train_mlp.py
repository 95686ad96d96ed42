"""A multi-layer perceptron on handwritten digits, with its accuracy on images that it was not trained on."""

import argparse

import nncore as nc


def accuracy(net: nc.nn.Module, images: nc.Tensor, labels: nc.Tensor) -> float:
    """The share of images whose highest score is at their label."""
    with nc.no_grad():
        return (net(images).argmax(1) == labels).float().mean().item()


def main() -> float:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    epochs = parser.parse_args().epochs
    nc.manual_seed(0)
    train, test = (nc.data.datasets.digits(train=part) for part in (True, False))
    net = nc.nn.Sequential(nc.nn.Flatten(), nc.nn.Linear(64, 64), nc.nn.ReLU(), nc.nn.Linear(64, 10))
    optimizer = nc.optim.Adam(net.parameters(), lr=3e-3)
    test_images, test_labels = next(iter(nc.data.DataLoader(test, batch_size=len(test))))
    reached = 0.0
    for epoch in range(epochs):
        for images, labels in nc.data.DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nc.nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
        reached = accuracy(net, test_images, test_labels)
        print(f"epoch {epoch + 1}: test accuracy {reached:.3f}")
    return reached


if __name__ == "__main__":
    main()
