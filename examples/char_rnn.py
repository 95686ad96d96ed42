"""A character network learns the Zen of Python by heart, and writes on in its style.

The text ships with Python (the module `this`). Each step trains on 32 random windows of 48 characters; the loss is the
cross-entropy of the next character, in nats. It falls from log(number of characters) to what is left where a window
begins and nothing tells yet which passage it is from.
"""

import argparse
import codecs
import contextlib
import io

import nncore as nc
from nncore.models import CharRNN


def zen_of_python() -> str:
    """The text that `import this` prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return codecs.decode(this.s, "rot13")


def main() -> float:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="lstm")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=0.5)
    options = parser.parse_args()
    nc.manual_seed(0)
    text = zen_of_python()
    letters = sorted(set(text))
    place = {letter: i for i, letter in enumerate(letters)}
    tokens = nc.tensor([place[letter] for letter in text])

    def continued(start: str) -> str:
        found = model.sample(nc.tensor([place[letter] for letter in start]), 120, options.temperature)
        return "".join(letters[i] for i in found.tolist())

    model = CharRNN(len(letters), hidden=128, cell=options.cell)
    optimizer = nc.optim.Adam(model.parameters(), lr=5e-3)
    steps, loss = nc.arange(49), nc.tensor(0.0)
    for step in range(1, options.steps + 1):
        windows = tokens[nc.randint(len(text) - 49, (32, 1)) + steps]
        scores, _ = model(windows[:, :-1])
        loss = nc.nn.functional.cross_entropy(scores.transpose(1, 2), windows[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nc.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step == 1 or step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}\n  {continued('Simple ')!r}")
    return loss.item()


if __name__ == "__main__":
    main()
