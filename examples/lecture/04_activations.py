# %% [markdown]
# # 4. Activations and their derivatives
#
# Without a function between them, two linear layers are one: W2 (W1 x) = (W2 W1) x. The activation function breaks
# that. Backpropagation multiplies by its derivative at each layer, so the derivative decides how well deep networks
# learn. All curves here are the library's own kernels; the derivatives come from the tape.

# %%
import nncore as nc
from pictures import save

F = nc.nn.functional
activations = {
    "identity": lambda x: x * 1,
    "sigmoid": nc.sigmoid,
    "tanh": nc.tanh,
    "ReLU": nc.relu,
    "leaky ReLU (slope 0.1)": lambda x: F.leaky_relu(x, 0.1),
    "ELU": F.elu,
    "SELU": F.selu,
    "softplus": F.softplus,
    "GELU": F.gelu,
    "SiLU (swish)": F.silu,
    "Mish": F.mish,
    "hardtanh": F.hardtanh,
}
save(nc.viz.with_derivative(activations, title="Activation functions and their derivatives"), "04_activations.png")


# %% [markdown]
# ## Why the sigmoid's derivative is at most 0.25
# sigmoid'(u) = s (1 - s) with s = sigmoid(u) between 0 and 1. A product of two numbers that add up to 1 is largest
# where both are 0.5, and 0.5 * 0.5 = 0.25: at u = 0. Ten such layers scale a gradient by at most 0.25^10, a millionth.


# %%
def largest_derivative(function) -> tuple[float, float]:
    """The largest slope of a function on [-8, 8], and where it is."""
    u = nc.linspace(-8, 8, 16001, dtype=nc.float64, requires_grad=True)
    (slope,) = nc.autograd.grad(function(u).sum(), u)
    return slope.max().item(), u[slope.argmax()].item()


steepest = {name: largest_derivative(f) for name, f in activations.items()}
for name, (slope, where) in steepest.items():
    print(f"{name:24} largest derivative {slope:.4f} at u = {where:+.3f}")
print(f"ten sigmoid layers scale a gradient by at most {steepest['sigmoid'][0] ** 10:.1e}")

# %% [markdown]
# ## Dead neurons
# ReLU's derivative is 0 for every negative sum: a neuron that is negative for all inputs never learns again. Leaky
# ReLU, ELU and GELU leave a way back. The share of 1000 normally distributed sums with a derivative of exactly 0:

# %%
nc.manual_seed(0)
sums = nc.randn(1000, dtype=nc.float64, requires_grad=True)
dead = {}
for name, function in activations.items():
    (slope,) = nc.autograd.grad(function(sums).sum(), sums)
    dead[name] = (slope == 0).to(nc.float64).mean().item()
print(", ".join(f"{name} {share:.0%}" for name, share in dead.items() if share))
