# %% [markdown]
# # 3. Backward by hand
#
# The network of program 2 with sigmoids instead of ReLU, at the output too:
#
#     u1 = W1 x    h = sigmoid(u1)    u2 = w2 . h    y = sigmoid(u2)    L = (y - 20)^2
#
# The chain rule walks back from the loss. Each factor is the derivative of one step above, and what the steps share is
# computed once: that is all there is to backpropagation (Rumelhart, Hinton, Williams 1986).

# %%
import nncore as nc
from pictures import save

x = nc.tensor([2.0, 3.0, 1.0], dtype=nc.float64)
w1 = nc.tensor([[3.0, 1.0, 2.0], [-2.0, -3.0, -1.0]], dtype=nc.float64, requires_grad=True)
w2 = nc.tensor([3.0, 2.0], dtype=nc.float64, requires_grad=True)
target = 20.0

u1 = w1 @ x
h = nc.sigmoid(u1)
u2 = w2 @ h
y = nc.sigmoid(u2)
loss = (y - target) ** 2
print(f"u1 = {u1.tolist()}\nh  = {h.tolist()}\nu2 = {u2.item():.8f}\ny  = {y.item():.8f}\nL  = {loss.item():.8f}")

# %% [markdown]
# ## The chain, factor by factor
# The sigmoid's derivative is sigmoid(u) (1 - sigmoid(u)): it needs only the value that the forward pass has left.

# %%
with nc.no_grad():
    dl_dy = 2 * (y - target)
    dy_du2 = y * (1 - y)
    du2_dw2 = h
    du2_dh = w2
    dh_du1 = h * (1 - h)
    du1_dw1 = x
    delta2 = dl_dy * dy_du2  # dL/du2: what both gradients share
    delta1 = delta2 * du2_dh * dh_du1  # dL/du1, one for each hidden neuron
    chain_w2 = delta2 * du2_dw2
    chain_w1 = delta1.reshape(2, 1) * du1_dw1.reshape(1, 3)

print(f"dL/dy   = 2 (y - 20)  = {dl_dy.item():.8f}")
print(f"dy/du2  = y (1 - y)   = {dy_du2.item():.8f}")
print(f"du2/dw2 = h           = {[f'{v:.8e}' for v in du2_dw2.tolist()]}")
print(f"du2/dh  = w2          = {du2_dh.tolist()}")
print(f"dh/du1  = h (1 - h)   = {[f'{v:.8e}' for v in dh_du1.tolist()]}")
print(f"du1/dW1 = x           = {du1_dw1.tolist()}")
print(f"dL/dw2  = dL/dy dy/du2 du2/dw2               = {[f'{v:.8e}' for v in chain_w2.tolist()]}")
for i, row in enumerate(chain_w1.tolist()):
    print(f"dL/dW1, row {i + 1} = dL/dy dy/du2 du2/dh dh/du1 x = {[f'{v:.8e}' for v in row]}")

# %% [markdown]
# ## The tape does the same
# `backward` multiplies the same factors in the same order.

# %%
loss.backward()
print(f"tape: dL/dw2 = {[f'{v:.8e}' for v in w2.grad.tolist()]}")
for i, row in enumerate(w1.grad.tolist()):
    print(f"tape: dL/dW1, row {i + 1} = {[f'{v:.8e}' for v in row]}")
largest_difference = max((w1.grad - chain_w1).abs().max().item(), (w2.grad - chain_w2).abs().max().item())
print(f"largest difference between tape and pencil: {largest_difference:.1e}")

# %% [markdown]
# The gradients of the first layer are 10,000 times smaller than those of the second: both hidden neurons are saturated,
# and h (1 - h) is nearly 0 there. Program 9 shows what that does to deep networks.

# %%
figure = nc.viz.network(
    [
        [f"{v:g}" for v in x.tolist()],
        [f"h = {v:.3g}\ndL/du = {d:.1e}" for v, d in zip(h.tolist(), delta1.tolist())],
        [f"y = {y.item():.4f}\ndL/du = {delta2.item():.3f}"],
    ],
    [
        [[f"{w:g} | {g:.1e}" for w, g in zip(*rows)] for rows in zip(w1.tolist(), w1.grad.tolist())],
        [[f"{w:g} | {g:.1e}" for w, g in zip(w2.tolist(), w2.grad.tolist())]],
    ],
    ["inputs x", "hidden neurons", f"output (loss {loss.item():.2f})"],
    "Backward through the network: weight | dL/dweight on each connection",
)
save(figure, "03_backward_by_hand.png")
