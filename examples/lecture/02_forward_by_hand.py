# %% [markdown]
# # 2. Forward by hand
#
# Three inputs, two hidden neurons with ReLU, one output without; no biases. Everything can be checked with a pencil:
#
#     u1 = W1 x           the sums that arrive at the hidden neurons
#     h  = relu(u1)       what they pass on: the sum where it is positive, otherwise nothing
#     y  = w2 . h         the output
#     L  = (y - t)^2      how far it is from the target t

# %%
import nncore as nc
from pictures import save

x = nc.tensor([2.0, 3.0, 1.0])
w1 = nc.tensor([[3.0, 1.0, 2.0], [-2.0, -3.0, -1.0]])
w2 = nc.tensor([3.0, 2.0])
target = 20.0

# %% [markdown]
# ## With a pencil
# Each row of W1 belongs to one hidden neuron.

# %%
first = 3 * 2 + 1 * 3 + 2 * 1
second = -2 * 2 + -3 * 3 + -1 * 1
by_hand = 3 * max(first, 0) + 2 * max(second, 0)
print(f"by hand: u1 = ({first}, {second}), h = ({max(first, 0)}, {max(second, 0)}), y = {by_hand}")

# %% [markdown]
# ## With the library
# The same four lines, for any number of neurons.

# %%
u1 = w1 @ x
h = nc.relu(u1)
y = w2 @ h
loss = (y - target) ** 2
print(f"u1 = {u1.tolist()}, h = {h.tolist()}, y = {y.item()}, squared error against {target:g}: {loss.item()}")

# %% [markdown]
# ## As layers
# `nn.Linear` holds the same matrices; a batch of one sample is a matrix with one row.

# %%
net = nc.nn.Sequential(nc.nn.Linear(3, 2, bias=False), nc.nn.ReLU(), nc.nn.Linear(2, 1, bias=False))
net.load_state_dict({"0.weight": w1, "2.weight": w2.reshape(1, 2)})
layers_say = net(x.reshape(1, 3)).item()
print(f"the layers say {layers_say}")

# %%
figure = nc.viz.network(
    [[f"{v:g}" for v in x.tolist()], [f"{u:g}\n→ {v:g}" for u, v in zip(u1.tolist(), h.tolist())], [f"{y.item():g}"]],
    [[[f"{w:g}" for w in row] for row in matrix] for matrix in (w1.tolist(), [w2.tolist()])],
    ["inputs x", "hidden: u → relu(u)", f"output y\n(target {target:g}, loss {loss.item():g})"],
    "Forward through the network",
)
save(figure, "02_forward_by_hand.png")
