r"""exp, log and log1p of our own: the same bits on any processor, across lanes.

Processors, C libraries and numpy each have their own exp, and choose among several by the
processor's features. These are plain IEEE additions, multiplications and divisions in one
order, without fused multiply-adds, branches or tables, so numba vectorises the loops that
call them. All are helpers for kernels, on float64 scalars.

====================  ==================  ==========================================
function              largest error, ulp  special values
====================  ==================  ==========================================
``exp(x)``            1.0                 0 → 1, -inf → 0, inf → inf, NaN → NaN;
                                          overflows to inf, underflows gradually to 0
``log(x)``            1.5                 0 → -inf, inf → inf, x < 0 → NaN, NaN → NaN;
                                          subnormal x are exact inputs too
``log1p(x)``          2.0                 for 0 ≤ x ≤ 1 and NaN only
====================  ==================  ==========================================

The bounds are what the tests hold, against correctly rounded values, with room to spare.

Derivation
----------
Argument reduction and the shape of the formulas are those of Tang (*Table-driven
implementation of the exponential function in IEEE floating-point arithmetic*, ACM TOMS 15,
1989) without the table, of Cody and Waite (*Software Manual for the Elementary Functions*,
1980) and of Muller (*Elementary Functions*, 3rd ed. 2016, sections 5.2 and 11.2). The
coefficients are our own: minimax polynomials by the exchange algorithm of Remez at 200 bits,
rounded to float64; the relative errors given are those of the rounded coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from mr.algorithms.kernels.compile import inline, intrinsic

# ln 2 in two parts; the first has 32 bits, so its product with an exponent is exact.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
LOG2_E = 1.44269504088896338700e00
# Adding it rounds to an integer, ties to even, which then stands in the lowest bits.
ROUND = 6755399441055744.0  # 1.5 * 2**52
ROUND_BITS = 0x4338000000000000

# Beyond these exp is 0 or inf whatever the argument, and exponents stay in range.
EXP_LEAST, EXP_MOST = -746.0, 710.0

# (exp(r) - 1 - r) / r**2 on |r| <= ln(2)/2; exp(r) to 2**-61.3.
E2 = 0.5
E3 = 0.1666666666666667
E4 = 0.041666666666666685
E5 = 0.008333333333326134
E6 = 0.0013888888888874396
E7 = 0.00019841269874821957
E8 = 2.4801587347346783e-05
E9 = 2.755725539874195e-06
E10 = 2.7557252905997574e-07
E11 = 2.5105217543350842e-08
E12 = 2.0921591355558057e-09

# (log((1 + s) / (1 - s)) / s - 2) / z in z = s**2 on |s| <= (sqrt2 - 1) / (sqrt2 + 1);
# the logarithm to 2**-57.5.
L1 = 0.666666666666667
L2 = 0.39999999999898445
L3 = 0.28571428626399387
L4 = 0.222222110728223
L5 = 0.18182893219785845
L6 = 0.15331596932448704
L7 = 0.14617872952506913

SQRT2_LESS_1 = 0.41421356237309503
SQRT_HALF_BITS = 0x3FE6A09E00000000
ONE_BITS = 0x3FF0000000000000
SMALLEST_NORMAL = 2.2250738585072014e-308
TWO_54 = 18014398509481984.0
INFINITY = float("inf")
NAN = float("nan")

Emitter = tuple[Any, Callable[..., Any]]


@intrinsic
def _bits(_context: Any, x: Any) -> Emitter:
    """Return the 64 bits of a float64 as an int64."""

    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(x), emit


@intrinsic
def _float(_context: Any, bits: Any) -> Emitter:
    """Return the float64 that has these 64 bits."""

    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(bits), emit


@inline
def exp(x: float) -> float:
    r"""Return :math:`e^x = 2^k e^r`, with :math:`k = round(x / \ln 2)`, :math:`r = x - k \ln 2`.

    Parameters
    ----------
    x : float64
        Any value.

    Returns
    -------
    float64
        Within 1 ulp.
    """
    # Not min and max: NaN passes both comparisons and comes out as NaN.
    x = EXP_LEAST if x < EXP_LEAST else x  # noqa: FURB136
    x = EXP_MOST if x > EXP_MOST else x  # noqa: FURB136
    rounded = x * LOG2_E + ROUND
    k = rounded - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    # Pairs, then pairs of pairs (Estrin): short chains keep the processor's pipelines full.
    low = (E2 + E3 * r) + r2 * (E4 + E5 * r)
    middle = (E6 + E7 * r) + r2 * (E8 + E9 * r)
    high = (E10 + E11 * r) + r2 * E12
    p = 1.0 + (r + r2 * (low + r4 * (middle + r4 * high)))
    # 2**k in two factors: the second product alone rounds, to subnormals and to infinity.
    exponent = _bits(rounded) - ROUND_BITS + 2048
    first = exponent >> 1
    second = exponent - first
    scaled: float = (p * _float((first - 1) << 52)) * _float((second - 1) << 52)
    return scaled


@inline
def _log_of_sum(f: float, s: float) -> float:
    """Return log(1 + f) where s = f / (2 + f): f - s (f - R), R = z (L1 + L2 z + ...)."""
    z = s * s
    q = L5 + z * (L6 + z * L7)
    q = L3 + z * (L4 + z * q)
    q = z * (L1 + z * (L2 + z * q))
    return f - s * (f - q)


@inline
def log1p(x: float) -> float:
    r"""Return :math:`\log(1 + x)` for x in [0, 1], as needed by :math:`\log(1 + e^{-|z|})`.

    Below :math:`\sqrt 2 - 1` it is the series in :math:`s = x / (2 + x)`; above, ln 2 plus
    the series of :math:`f = (x - 1) / 2`, where :math:`s = (x - 1) / (x + 3)`.

    Parameters
    ----------
    x : float64
        0 ≤ x ≤ 1, or NaN.

    Returns
    -------
    float64
        Within 2 ulp.
    """
    upper = x > SQRT2_LESS_1
    top = x - 1.0 if upper else x
    s = top / (x + 3.0 if upper else x + 2.0)
    f = 0.5 * top if upper else x
    high = LN2_HIGH if upper else 0.0
    low = LN2_LOW if upper else 0.0
    return high + (_log_of_sum(f, s) + low)


@inline
def log(x: float) -> float:
    r"""Return :math:`\log x = k \ln 2 + \log m`, with :math:`x = 2^k m`, m around 1.

    Parameters
    ----------
    x : float64
        Any value.

    Returns
    -------
    float64
        Within 1.5 ulp; NaN for x < 0.
    """
    small = x < SMALLEST_NORMAL
    bits = _bits(x * TWO_54 if small else x)
    # Offset so that m lies between sqrt(1/2) and sqrt(2), where log m is least.
    exponent = (bits - SQRT_HALF_BITS) >> 52
    m = _float(bits - (exponent << 52))
    k = float(exponent - 54 if small else exponent)
    f = m - 1.0
    y = k * LN2_HIGH + (_log_of_sum(f, f / (2.0 + f)) + k * LN2_LOW)
    y = x if x == INFINITY else y
    y = -INFINITY if x == 0.0 else y
    return y if x >= 0.0 else NAN
