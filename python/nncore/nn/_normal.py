"""The inverse of the normal distribution function, which nn.init.trunc_normal_ samples through."""

import math

import numpy as np

# P. J. Acklam's rational approximation, relative error 1.15e-9; a step of Halley's method makes it exact to rounding.
_A = (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01,
      2.506628277459239e00)  # fmt: skip
_B = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
    1,
)
_C = (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00,
      4.374664141464968e00, 2.938163982698783e00)  # fmt: skip
_D = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1)
_TAIL = 0.02425

_erf = np.vectorize(math.erf, otypes=[np.float64])


def normal_quantile(p):
    """x with P(X <= x) = p for a standard normal X, elementwise; -inf and inf at 0 and 1."""
    p = np.asarray(p, np.float64)
    inside = np.clip(p, 5e-324, 1 - 2**-53)
    q = inside - 0.5
    x = q * np.polyval(_A, q * q) / np.polyval(_B, q * q)
    for tail, sign in ((inside, 1), (1 - inside, -1)):
        t = np.sqrt(-2 * np.log(tail))
        x = np.where(tail < _TAIL, sign * np.polyval(_C, t) / np.polyval(_D, t), x)
    # In the far tails erf rounds to 1 and the correction would do harm; the approximation stands there.
    error = 0.5 * (1 + _erf(x / math.sqrt(2))) - inside
    step = error * math.sqrt(2 * math.pi) * np.exp(np.minimum(x * x / 2, 40.0))
    x = np.where(np.abs(x) < 5, x - step / (1 + x * step / 2), x)
    return np.where(p <= 0, -np.inf, np.where(p >= 1, np.inf, x))
