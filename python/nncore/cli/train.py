"""`python -m nncore train`: trains a network on images and leaves weights, metrics and pictures in a folder."""

import argparse
import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path

import nncore
from nncore.extras import require


class UsageError(Exception):
    """Something asked for that cannot be had; the message says what."""


@dataclass
class Settings:
    """The choices of one run, after the defaults have been filled in."""

    data: str
    model: str
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    seed: int


def add_parser(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a network on images",
        description="Trains a network on images. Without options: a small convolutional network on 8x8 handwritten "
        "digits that come with the package, in seconds.",
    )
    add = parser.add_argument
    add("--data", choices=("digits", "fashion-mnist", "mnist"), default="digits", help="default: digits")
    add("--data-dir", metavar="DIR", help="folder with the IDX files of --data (plain or .gz)")
    add("--model", choices=("cnn", "lenet", "mlp"), default="cnn", help="default: cnn")
    add("--epochs", type=_positive(int), metavar="N", help="default: 20 for digits, else 5")
    add("--batch-size", type=_positive(int), metavar="N", help="default: 64 for digits, else 128")
    add("--optimizer", choices=("sgd", "adam", "adamw", "rmsprop", "adagrad"), default="adamw", help="default: adamw")
    add("--lr", type=_positive(float), metavar="RATE", help="peak of the one-cycle learning rate; default by optimizer")
    add("--seed", type=_seed, default=0, metavar="N", help="same seed, same bits; default: 0")
    add("--threads", type=_positive(int), metavar="N", help="threads of the kernels (results do not depend on it)")
    add("--workers", type=_seed, default=0, metavar="N", help="processes that load data ahead; default: 0")
    add("--no-capture", action="store_true", help="run each step in Python instead of replaying it; the same bits")
    add("--device", default="cpu", help="default: cpu")
    add("--out", metavar="DIR", help="where results go; default: runs/DATA-MODEL-seedN")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from . import recipes, report

    for module, purpose in (("tqdm", "the progress bar"), ("matplotlib", "drawing"), ("safetensors", "saving weights")):
        require(module, purpose)  # now, not after the first epoch
    recipe = recipes.RECIPES[arguments.data]
    settings = Settings(
        arguments.data,
        arguments.model,
        arguments.epochs or recipe.epochs,
        arguments.batch_size or recipe.batch_size,
        arguments.optimizer,
        arguments.lr or recipes.OPTIMIZERS[arguments.optimizer][0] * recipe.lr_factor,
        arguments.seed,
    )
    if arguments.threads:
        nncore.set_num_threads(arguments.threads)
    device = _device(arguments.device)
    train_set, test_set = recipe.load(arguments.data_dir, True), recipe.load(arguments.data_dir, False)
    training = prepare(settings, recipe, train_set, test_set, device, arguments.workers, not arguments.no_capture)
    folder = report.RunFolder(
        report.new_folder(arguments.out, settings.data, settings.model, settings.seed), asdict(settings)
    )
    count = sum(parameter.numel() for parameter in training.model.parameters())
    print(f"{train_set!r}, {len(test_set)} to test on")
    print(
        f"{settings.model} with {count:,} parameters, {settings.optimizer}, peak learning rate {settings.lr:g}, "
        f"batches of {settings.batch_size}; {nncore.current_isa()}, threads: {nncore.get_num_threads()}",
        flush=True,
    )
    return _train(training, folder, test_set, settings)


def prepare(settings: Settings, recipe, train_set, test_set, device, workers: int, capture: bool = True):
    """Everything that trains, seeded; nothing has run yet."""
    from nncore import optim
    from nncore.data import DataLoader

    from . import loop, recipes

    nncore.manual_seed(settings.seed)
    model, repeat = recipes.build_model(settings.model, train_set.data.shape[-1], len(train_set.classes))
    model.to(device)
    optimizer = recipes.OPTIMIZERS[settings.optimizer][1](model.parameters(), settings.lr)
    train_loader = DataLoader(
        train_set,
        settings.batch_size,
        shuffle=True,
        num_workers=workers,
        generator=nncore.Generator().manual_seed(settings.seed),
        persistent_workers=workers > 0,
    )
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.lr,
        total_steps=settings.epochs * len(train_loader),
        cycle_momentum=settings.optimizer in recipes.CYCLES_MOMENTUM,
    )
    pixels = train_set.data / train_set.scale
    preparation = loop.Preparation(float(pixels.mean()), float(pixels.std()), repeat, recipe.augment, device)
    test_loader = DataLoader(test_set, 1000)
    return loop.Training(
        model, optimizer, scheduler, preparation, train_loader, test_loader, settings.epochs, settings.seed, capture
    )


def _train(training, folder, test_set, settings: Settings) -> int:
    interrupted = False
    try:
        for row in training.epochs():
            folder.save_weights(training.model, row)
            folder.save_metrics(training.history, interrupted=False)
            print(
                f"epoch {row['epoch']:>{len(str(settings.epochs))}}/{settings.epochs}   "
                f"train loss {row['train_loss']:.4f}  accuracy {100 * row['train_accuracy']:6.2f} %   "
                f"test loss {row['test_loss']:.4f}  accuracy {100 * row['test_accuracy']:6.2f} %   "
                f"{row['seconds']:.1f} s",
                flush=True,
            )
    except KeyboardInterrupt:
        interrupted = True
        print(
            f"\nInterrupted in epoch {len(training.history) + 1} of {settings.epochs}: saving what there is.",
            flush=True,
        )
        folder.save_weights(training.model, None)
        folder.save_metrics(training.history, interrupted=True)
    with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C skips the pictures; the weights are safe
        title = f"{settings.data}, {settings.model}, seed {settings.seed}"
        if training.history:
            folder.save_pictures(training.history, test_set, training.evaluate()[1], title)
    print(f"saved in {folder.path}: {', '.join(sorted(file.name for file in Path(folder.path).iterdir()))}")
    return 130 if interrupted else 0


def _device(name: str):
    try:
        return nncore.zeros(1).to(name).device
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"--device {name}: {error}") from None


def _positive(kind: type):
    def parse(text: str):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return value

    parse.__name__ = kind.__name__  # for argparse's message about text that is no number
    return parse


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text}")
    return value


_seed.__name__ = "int"
