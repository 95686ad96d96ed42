"""What a training run leaves behind: weights, metrics, pictures."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

import nncore
from nncore import serialization, viz
from nncore.data.datasets import ImageDataset


class RunFolder:
    """The folder of one run: `last.safetensors` and `best.safetensors` (the best test accuracy so far),
    `metrics.json`, `learning_curve.png`, `predictions.png`."""

    def __init__(self, path: Path, settings: dict):
        self.path, self.settings = path, settings
        self.best: dict | None = None
        path.mkdir(parents=True, exist_ok=True)

    def save_weights(self, model, row: dict | None) -> None:
        """The weights as they are now; `row` is that of the epoch just finished, None in the middle of one."""
        state = model.state_dict()
        about = {
            "settings": json.dumps(self.settings, sort_keys=True),
            "epoch": str(row["epoch"] if row else "unfinished"),
        }
        serialization.save_file(state, self.path / "last.safetensors", about)
        if row and (self.best is None or row["test_accuracy"] > self.best["test_accuracy"]):
            self.best = row
            serialization.save_file(state, self.path / "best.safetensors", about)

    def save_metrics(self, history: list[dict], interrupted: bool) -> None:
        last = self.path / "last.safetensors"
        metrics = {
            "settings": self.settings,
            "nncore": nncore.__version__,
            "numpy": np.__version__,
            "instruction_set": nncore.current_isa(),
            "threads": nncore.get_num_threads(),
            "interrupted": interrupted,
            "best_epoch": self.best and self.best["epoch"],
            "seconds": sum(row["seconds"] for row in history),
            "last_weights_sha256": hashlib.sha256(last.read_bytes()).hexdigest(),
            "history": history,
        }
        temporary = self.path / ".metrics.json.part"
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")
        os.replace(temporary, self.path / "metrics.json")

    def save_pictures(self, history: list[dict], dataset: ImageDataset, logits: np.ndarray, title: str) -> None:
        viz.learning_curve(history, title).savefig(self.path / "learning_curve.png", dpi=130)
        sections = choose_examples(dataset, logits, self.settings["seed"])
        accuracy = float((logits.argmax(1) == dataset.targets).mean())
        heading = f"{title}: test accuracy {100 * accuracy:.2f} %"
        viz.prediction_grid(sections, dataset.classes, heading).savefig(self.path / "predictions.png", dpi=110)


def choose_examples(dataset: ImageDataset, logits: np.ndarray, seed: int) -> list[viz.Examples]:
    """Test images chosen at random, and the mistakes that the network was surest of."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    predictions = logits.argmax(1)
    confidence = (odds / odds.sum(1, keepdims=True)).max(1)
    drawn = np.random.default_rng(seed).permutation(len(dataset))[:24]
    wrong = np.flatnonzero(predictions != dataset.targets)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:16]

    def examples(heading: str, chosen: np.ndarray) -> viz.Examples:
        return viz.Examples(
            heading, dataset.data[chosen], dataset.targets[chosen], predictions[chosen], confidence[chosen]
        )

    return [
        examples("Test images at random: prediction and its probability", drawn),
        examples(f"The surest of {len(wrong)} mistakes: prediction, and what it is", surest),
    ]


def new_folder(wanted: str | None, data: str, model: str, seed: int) -> Path:
    """The folder asked for, or `runs/DATA-MODEL-seedN`, with a number behind it if a run has that name already."""
    if wanted is not None:
        return Path(wanted)
    name = Path("runs") / f"{data}-{model}-seed{seed}"
    number, path = 1, name
    while path.exists():
        number += 1
        path = name.with_name(f"{name.name}-{number}")
    return path
