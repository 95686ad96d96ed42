"""The training loop."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nncore
from nncore import nn
from nncore.data import DataLoader
from nncore.extras import require
from nncore.nn import functional as F


@dataclass
class Preparation:
    """From a batch of a data set, float32 [N, 1, H, W] in [0, 1], to what the model sees."""

    mean: float
    std: float
    repeat: int
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None
    device: Any

    def __call__(self, images, rng: np.random.Generator | None = None):
        """Normalised images on the device; augmented too when there is a generator."""
        array = images.numpy()
        if rng is not None and self.augment is not None:
            array = self.augment(array, rng)
        array = (array - np.float32(self.mean)) / np.float32(self.std)
        if self.repeat > 1:
            array = array.repeat(self.repeat, axis=-2).repeat(self.repeat, axis=-1)
        return nncore.from_numpy(array).to(self.device)


@dataclass
class Training:
    """A model with everything that trains it; `epochs()` runs, `history` has one row per finished epoch."""

    model: nn.Module
    optimizer: Any
    scheduler: Any
    prepare: Preparation
    train_loader: DataLoader
    test_loader: DataLoader
    num_epochs: int
    seed: int
    capture: bool = True
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self):
        if self.capture:  # from the third batch on Python is not asked any more what a step consists of
            self.step = nncore.capture(self.step)

    def step(self, x, y) -> tuple:
        """One update on a batch; its loss, and how many of it were classified right."""
        self.optimizer.zero_grad()
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        self.optimizer.step()
        return loss, (logits.detach().argmax(1) == y).sum()

    def epochs(self) -> Iterator[dict[str, float]]:
        """Trains one epoch after the other and yields the row of each."""
        for epoch in range(1, self.num_epochs + 1):
            start = time.perf_counter()
            rate = self.optimizer.param_groups[0]["lr"]
            train_loss, train_accuracy = self._train(epoch)
            test_loss, logits, labels = self.evaluate()
            row = {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "test_loss": test_loss,
                "test_accuracy": float((logits.argmax(1) == labels).mean()),
                "learning_rate_at_start": rate,
                "seconds": time.perf_counter() - start,
            }
            self.history.append(row)
            yield row

    def _train(self, epoch: int) -> tuple[float, float]:
        """One pass over the training data; the means of loss and accuracy along the way."""
        tqdm = require("tqdm", "the progress bar").tqdm
        self.model.train()
        loss_sum = correct = seen = 0.0
        description = f"epoch {epoch}/{self.num_epochs}"
        with tqdm(self.train_loader, description, leave=False, unit="batch", disable=None) as bar:
            for step, (images, labels) in enumerate(bar):
                # A generator of its own for each batch: the same pictures whatever the workers and threads do.
                x = self.prepare(images, np.random.default_rng([self.seed, epoch, step]))
                y = labels.to(self.prepare.device)
                loss, right = self.step(x, y)
                self.scheduler.step()
                loss_sum += loss.item() * len(labels)
                correct += right.item()
                seen += len(labels)
                if step % 20 == 0:
                    bar.set_postfix(loss=f"{loss_sum / seen:.3f}", accuracy=f"{100 * correct / seen:.1f} %")
        return loss_sum / seen, correct / seen

    def evaluate(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Mean loss on the test set, its logits [N, C] and labels [N]."""
        self.model.eval()
        loss_sum, logits, labels = 0.0, [], []
        with nncore.no_grad():
            for images, target in self.test_loader:
                scores = self.model(self.prepare(images))
                loss_sum += F.cross_entropy(scores, target.to(self.prepare.device), reduction="sum").item()
                logits.append(scores.to("cpu").numpy())
                labels.append(target.numpy())
        scores, truth = np.concatenate(logits), np.concatenate(labels)
        return loss_sum / len(truth), scores, truth
