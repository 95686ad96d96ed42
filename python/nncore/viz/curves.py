"""Learning curves."""

from collections.abc import Mapping, Sequence

from nncore.extras import require

_TRAIN, _TEST = "#0072B2", "#D55E00"  # two colours that colour-blind readers tell apart (Okabe, Ito 2008)


def learning_curve(history: Sequence[Mapping[str, float]], title: str = ""):
    """Loss and accuracy against the epoch, for the training and the test set.

    `history` has one row per epoch with `epoch`, `train_loss`, `test_loss` (nats) and `train_accuracy`,
    `test_accuracy` (fractions). Returns a matplotlib figure.
    """
    figure = require("matplotlib.figure", "drawing").Figure(figsize=(9, 3.8), layout="constrained")
    ticker = require("matplotlib.ticker", "drawing")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for part, colour, marker in (("train", _TRAIN, "o"), ("test", _TEST, "s")):
        style = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.5}
        label = "training (running mean)" if part == "train" else "test"
        loss.plot(epochs, [row[f"{part}_loss"] for row in history], label=label, **style)
        accuracy.plot(epochs, [100 * row[f"{part}_accuracy"] for row in history], label=label, **style)
    if history:
        last = 100 * history[-1]["test_accuracy"]
        accuracy.axhline(last, color=_TEST, linewidth=0.8, linestyle=":")
        accuracy.annotate(
            f"test, last epoch: {last:.2f} %",
            (epochs[0], last),
            xytext=(0, 4),
            textcoords="offset points",
            color=_TEST,
            fontsize=9,
        )
    loss.set(xlabel="epoch", ylabel="cross-entropy loss [nats]", ylim=(0, None))
    accuracy.set(xlabel="epoch", ylabel="accuracy [%]")
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    return figure
