# %% [markdown]
# # 8. Backpropagation, drawn
#
# What a network computes is a graph: operations, and tensors that travel between them. Forward, values go along the
# arrows; backward, gradients come against them. At each operation the gradient that arrives is multiplied by the
# operation's own derivative; where a tensor was used twice, the gradients of both uses are added.

# %%
import nncore as nc
from pictures import FOLDER, save

x = nc.tensor([2.0, 3.0, 1.0], requires_grad=True)
w1 = nc.tensor([[0.3, 0.1, 0.2], [-0.2, -0.3, -0.1]], requires_grad=True)
w2 = nc.tensor([0.3, 0.2], requires_grad=True)
u1 = w1 @ x
h = nc.sigmoid(u1)
u2 = w2 @ h
y = nc.sigmoid(u2)
error = y - 1
loss = error**2

# %% [markdown]
# ## The graph of a small network
# The picture is made from the tape that `backward` walks, not from the program above.

# %%
names = {"x": x, "W1": w1, "w2": w2, "u1": u1, "h": h, "u2": u2, "y": y, "error": error, "L": loss}
drawing = nc.viz.graph(loss, names)
FOLDER.mkdir(parents=True, exist_ok=True)
print(f"picture: {drawing.save(FOLDER / '08_network.svg')}")
drawing  # noqa: B018  # the last expression of a cell is what a notebook shows

# %% [markdown]
# ## One tensor, two uses
# z = a b + a: a's gradient is b from the product plus 1 from the sum.

# %%
a = nc.tensor(2.0, requires_grad=True)
b = nc.tensor(5.0, requires_grad=True)
product = a * b
z = product + a
twice = nc.viz.graph(z, {"a": a, "b": b, "a b": product, "z": z})
print(f"picture: {twice.save(FOLDER / '08_used_twice.svg')}")
z.backward()
print(f"dz/da = {a.grad.item()} = b + 1, dz/db = {b.grad.item()} = a")

# %% [markdown]
# ## The order of the walk
# The tape keeps the operations in the order in which they were done. Walking back, each has received the gradients of
# all its uses before it passes anything on.

# %%
order, node = [], loss.grad_fn
while node is not None:
    order.append(node.name())
    earlier = [edge[0] for edge in node.next_functions if hasattr(edge[0], "next_functions")]
    node = max(earlier, key=lambda n: n.order, default=None)
print("backward walks:", " -> ".join(order))
loss.backward()
figure = nc.viz.matrix(w1.grad.numpy().round(5), ["neuron 1", "neuron 2"], ["x1", "x2", "x3"], "dL/dW1", "gradient")
save(figure, "08_gradient_of_the_weights.png")
