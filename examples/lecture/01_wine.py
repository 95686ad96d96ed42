# %% [markdown]
# # 1. The wine network
#
# Four measurements go in, one output for each kind of wine comes out. Softmax turns the outputs into probabilities that
# add up to 1; the prediction is the largest. First with weights chosen by hand, then on real wine, where they are
# learned.

# %%
import numpy as np
from sklearn.datasets import load_wine

import nncore as nc
from pictures import QUICK, save

# %% [markdown]
# ## Red or white, with weights chosen by hand
# The inputs are acidity, sugar, tannin and colour, each from 0 to 1. Red wine has tannin and colour.

# %%
weights = nc.tensor([[0.0, -1.0, 2.0, 3.0], [1.0, 1.0, -2.0, -3.0]])
bias = nc.tensor([-2.0, 2.0])
bottle = nc.tensor([0.4, 0.2, 0.7, 0.9])
scores = weights @ bottle + bias
probabilities = nc.softmax(scores, 0)
kinds = ["red", "white"]
said = kinds[probabilities.argmax()]
print(f"scores {scores.tolist()}, softmax {[round(p, 4) for p in probabilities.tolist()]}: {said}")

figure = nc.viz.network(
    [[f"{name}\n{v:g}" for name, v in zip(("acidity", "sugar", "tannin", "colour"), bottle.tolist())],
     [f"{kind}: score {s:.2f}\nsoftmax {p:.3f}" for kind, s, p in zip(kinds, scores.tolist(), probabilities.tolist())]],
    [[[f"{w:g}" for w in row] for row in weights.tolist()]],
    ["measurements", f"the largest output: {said}"],
    "The wine network",
)  # fmt: skip
save(figure, "01_wine_by_hand.png")

# %% [markdown]
# ## Real wine
# 178 Italian wines of three cultivars, 13 chemical measurements each (Forina et al., UCI Machine Learning Repository,
# 1991; scikit-learn brings them). Whether a network has learned shows on wines that it has not seen: the wines are cut
# into ten parts, and ten networks are each tested on the part that they were not trained on.

# %%
wine = load_wine()
measurements, cultivars = wine.data.astype(np.float32), wine.target


def train_and_test(train: np.ndarray, test: np.ndarray, columns: slice, seed: int) -> np.ndarray:
    """Trains a network with one hidden layer on the wines `train`; what it says of the wines `test`."""
    x = measurements[:, columns]
    mean, deviation = x[train].mean(0), x[train].std(0)  # of the training wines alone: the test must not leak in
    x, t = nc.tensor((x - mean) / deviation), nc.tensor(cultivars)
    nc.manual_seed(seed)
    net = nc.nn.Sequential(nc.nn.Linear(x.shape[1], 16), nc.nn.Tanh(), nc.nn.Linear(16, 3))
    optimizer = nc.optim.Adam(net.parameters(), lr=0.02, weight_decay=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nc.nn.functional.cross_entropy(net(x[train]), t[train]).backward()
        optimizer.step()
    with nc.no_grad():
        return net(x[test]).argmax(1).numpy()


def cross_validate(columns: slice = slice(None), repetitions: int = 1) -> tuple[float, np.ndarray]:
    """The share of wines recognised by networks that had not seen them, and how often which was taken for which."""
    confusion = np.zeros((3, 3), int)
    for repetition in range(repetitions):
        order = np.random.default_rng(repetition).permutation(len(cultivars))
        for fold in range(10):
            test = order[fold::10]
            train = np.setdiff1d(order, test)
            predicted = train_and_test(train, test, columns, seed=10 * repetition + fold)
            np.add.at(confusion, (cultivars[test], predicted), 1)
    return confusion.trace() / confusion.sum(), confusion


accuracy, confusion = cross_validate(repetitions=1 if QUICK else 5)
with_four, _ = cross_validate(slice(0, 4))
print(f"13 measurements: {accuracy:.1%} right in ten-fold cross-validation; with only the first four: {with_four:.1%}")
print(confusion)

# %%
figure = nc.viz.matrix(
    confusion, [f"is {c}" for c in wine.target_names], [f"said {c}" for c in wine.target_names],
    f"Three cultivars, cross-validated: {accuracy:.1%} right", "number of wines",
)  # fmt: skip
save(figure, "01_wine_cultivars.png")
