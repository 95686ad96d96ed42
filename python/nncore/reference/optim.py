"""One optimizer step for one parameter, as the kernels of csrc/cpu/kernels/optim.cpp do it for all at once.

Each function returns the new parameter and the new state. `g` is the gradient, `t` the number of the step, from 1.
"""

import numpy as np


def _gradient(p, g, weight_decay, maximize):
    g = -g if maximize else g
    return g + weight_decay * p if weight_decay != 0 else g


def sgd(p, g, state, t, *, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    if momentum == 0:
        return p - lr * g, {}
    buffer = g if t == 1 else momentum * state["momentum_buffer"] + (1 - dampening) * g
    return p - lr * (g + momentum * buffer if nesterov else buffer), {"momentum_buffer": buffer}


def adagrad(p, g, state, t, *, lr, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    total = state.get("sum", np.full_like(p, initial_accumulator_value)) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps), {"sum": total}


def rmsprop(p, g, state, t, *, lr, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    zeros = np.zeros_like(p)
    square = alpha * state.get("square_avg", zeros) + (1 - alpha) * g * g
    new, spread = {"square_avg": square}, square
    if centered:
        mean = state.get("grad_avg", zeros)
        new["grad_avg"] = mean = mean + (1 - alpha) * (g - mean)
        spread = square - mean * mean
    update = g / (np.sqrt(spread) + eps)
    if momentum > 0:
        new["momentum_buffer"] = update = momentum * state.get("momentum_buffer", zeros) + update
    return p - lr * update, new


def adam(
    p, g, state, t, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False, decoupled=False
):
    g = _gradient(p, g, 0 if decoupled else weight_decay, maximize)
    p = p * (1 - lr * weight_decay) if decoupled else p
    zeros = np.zeros_like(p)
    mean = betas[0] * state.get("exp_avg", zeros) + (1 - betas[0]) * g
    square = betas[1] * state.get("exp_avg_sq", zeros) + (1 - betas[1]) * g * g
    new, top = {"exp_avg": mean, "exp_avg_sq": square}, square
    if amsgrad:
        new["max_exp_avg_sq"] = top = np.maximum(state.get("max_exp_avg_sq", zeros), square)
    mean, top = mean / (1 - betas[0] ** t), top / (1 - betas[1] ** t)
    return p - lr * mean / (np.sqrt(top) + eps), new


def adamw(p, g, state, t, *, weight_decay=1e-2, **settings):
    return adam(p, g, state, t, weight_decay=weight_decay, decoupled=True, **settings)


def movingaveragesgd(p, g, state, t, *, lr, momentum=0.9, weight_decay=0, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    buffer = momentum * state.get("momentum_buffer", np.zeros_like(p)) + (1 - momentum) * g
    return p - lr * buffer, {"momentum_buffer": buffer}


def rootepsrmsprop(p, g, state, t, *, lr, alpha=0.99, eps=1e-8, weight_decay=0, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    square = alpha * state.get("square_avg", np.zeros_like(p)) + (1 - alpha) * g * g
    return p - lr * g / np.sqrt(square + eps), {"square_avg": square}


def adamax(p, g, state, t, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    zeros = np.zeros_like(p)
    mean = betas[0] * state.get("exp_avg", zeros) + (1 - betas[0]) * g
    largest = np.maximum(betas[1] * state.get("exp_inf", zeros), np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * mean / largest, {"exp_avg": mean, "exp_inf": largest}


def _moments(p, g, state, betas, weight_decay, decoupled, maximize, lr):
    """The parameter, its gradient, and Adam's mean and mean square of gradients."""
    g = _gradient(p, g, 0 if decoupled else weight_decay, maximize)
    p = p * (1 - lr * weight_decay) if decoupled else p
    zeros = np.zeros_like(p)
    mean = betas[0] * state.get("exp_avg", zeros) + (1 - betas[0]) * g
    square = betas[1] * state.get("exp_avg_sq", zeros) + (1 - betas[1]) * g * g
    return p, g, mean, square


def nadam(
    p, g, state, t, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    p, g, mean, square = _moments(p, g, state, betas, weight_decay, decoupled_weight_decay, maximize, lr)
    mu, later = (betas[0] * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (t, t + 1))
    product = state.get("mu_product", np.float32(1)) * np.float32(mu)  # a state of single precision
    whole = float(product)
    update = (1 - mu) / (1 - whole) * g + later / (1 - whole * later) * mean
    new = {"mu_product": product, "exp_avg": mean, "exp_avg_sq": square}
    return p - lr * update / (np.sqrt(square / (1 - betas[1] ** t)) + eps), new


def radam(
    p, g, state, t, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, maximize=False
):
    p, g, mean, square = _moments(p, g, state, betas, weight_decay, decoupled_weight_decay, maximize, lr)
    new = {"exp_avg": mean, "exp_avg_sq": square}
    update = mean / (1 - betas[0] ** t)
    left = 1 - betas[1] ** t
    k = 2 / (1 - betas[1]) - 1
    q = k - 2 * t * betas[1] ** t / left
    if q > 5:
        r = np.sqrt((q - 4) * (q - 2) * k / ((k - 4) * (k - 2) * q))
        update = update * r * np.sqrt(left) / (np.sqrt(square) + eps)
    return p - lr * update, new


def adadelta(p, g, state, t, *, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    zeros = np.zeros_like(p)
    square = rho * state.get("square_avg", zeros) + (1 - rho) * g * g
    moved = state.get("acc_delta", zeros)
    delta = np.sqrt(moved + eps) / np.sqrt(square + eps) * g
    return p - lr * delta, {"square_avg": square, "acc_delta": rho * moved + (1 - rho) * delta * delta}


def asgd(p, g, state, t, *, lr, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    eta, mu = (float(state.get(name, np.float32(start))) for name, start in (("eta", lr), ("mu", 1)))
    p = p * (1 - lambd * eta) - eta * g
    average = state.get("ax", np.zeros_like(p))
    average = p if mu == 1 else average + mu * (p - average)
    eta, mu = np.float32(lr / (1 + lambd * lr * t) ** alpha), np.float32(1 / max(1, t - t0))
    return p, {"eta": eta, "mu": mu, "ax": average}


def rprop(p, g, state, t, *, lr, etas=(0.5, 1.2), step_sizes=(1e-6, 50), maximize=False):
    g = -g if maximize else g
    agrees = np.sign(g * state.get("prev", np.zeros_like(p)))
    factor = np.where(agrees > 0, etas[1], np.where(agrees < 0, etas[0], 1))
    size = np.clip(state.get("step_size", np.full_like(p, lr)) * factor, *step_sizes)
    g = np.where(agrees < 0, 0, g)
    return p - np.sign(g) * size, {"prev": g, "step_size": size}
