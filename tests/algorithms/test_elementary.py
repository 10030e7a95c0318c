"""exp, log and log1p against correctly rounded values, in units in the last place."""

from __future__ import annotations

import math

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.algorithms.kernels import elementary

BITS = 120


def across_lanes(function):
    @numba.njit(error_model="numpy")
    def run(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def call(x):
        x = np.asarray(x, np.float64)
        out = np.empty_like(x)
        run(x, out)
        return out

    return call


EXP, LOG, LOG1P = map(across_lanes, (elementary.exp, elementary.log, elementary.log1p))


def largest_error(function, exact, points):
    """Return the largest error in ulp of the exact value, and where it is."""
    worst, where = 0.0, None
    with mpmath.workprec(BITS):
        for x, found in zip(points.tolist(), function(points).tolist(), strict=True):
            wanted = exact(mpmath.mpf(x))
            ulp = mpmath.mpf(math.ulp(float(wanted)))
            error = float(abs(mpmath.mpf(found) - wanted) / ulp)
            if error > worst:
                worst, where = error, x
    return worst, where


def test_exp_is_within_one_ulp():
    rng = np.random.default_rng(1)
    points = [
        rng.uniform(-0.4, 0.4, 1500),
        rng.uniform(-745, 709.78, 2000),
        rng.normal(size=500) * 1e-6,
        (np.arange(-40, 40) + 0.5) * math.log(2),  # where the reduced argument is largest
    ]
    worst, where = largest_error(EXP, mpmath.exp, np.concatenate(points))
    assert worst <= 1.0, where


def test_log_is_within_one_and_a_half_ulp():
    rng = np.random.default_rng(2)
    points = [
        rng.uniform(0.5, 2, 2000),
        10 ** rng.uniform(-323, 308, 1500),
        1 + rng.normal(size=500) * 1e-5,
        [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308],
    ]
    worst, where = largest_error(LOG, mpmath.log, np.concatenate(points))
    assert worst <= 1.5, where


def test_log1p_is_within_two_ulp():
    rng = np.random.default_rng(3)
    points = [
        rng.uniform(0, 1, 2000),
        rng.uniform(0.41, 0.43, 1000),  # where the two formulas meet
        10 ** rng.uniform(-300, 0, 1000),
        [5e-324, 1.0],
    ]
    worst, where = largest_error(LOG1P, mpmath.log1p, np.concatenate(points))
    assert worst <= 2.0, where


@pytest.mark.parametrize(
    ("function", "x", "wanted"),
    [
        (EXP, 0.0, 1.0),
        (EXP, -0.0, 1.0),
        (EXP, math.inf, math.inf),
        (EXP, -math.inf, 0.0),
        (EXP, 709.79, math.inf),
        (EXP, 1e308, math.inf),
        (EXP, -745.2, 0.0),
        (EXP, -1e308, 0.0),
        (EXP, -745.1, 5e-324),
        (LOG, 1.0, 0.0),
        (LOG, 0.0, -math.inf),
        (LOG, -0.0, -math.inf),
        (LOG, math.inf, math.inf),
        (LOG1P, 0.0, 0.0),
        (LOG1P, 5e-324, 5e-324),
    ],
)
def test_special_values(function, x, wanted):
    assert function([x])[0] == wanted


@pytest.mark.parametrize(
    ("function", "x"),
    [(EXP, math.nan), (LOG, math.nan), (LOG, -1.0), (LOG, -math.inf), (LOG1P, math.nan)],
)
def test_not_a_number(function, x):
    assert np.isnan(function([x])[0])


@given(st.floats(-745, 709, allow_nan=False))
def test_exp_then_log_comes_back(x):
    found = LOG(EXP([x]))[0]
    # A subnormal exp(x) has few digits: its logarithm comes back to that precision.
    room = 4 * math.ulp(max(abs(x), 1.0)) + (2.0**-1073 / math.exp(x) if x < -707 else 0.0)
    assert abs(found - x) <= room


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=40))
def test_lanes_do_not_see_each_other(values):
    one_by_one = np.array([elementary.exp(x) for x in values])
    assert EXP(values).tobytes() == one_by_one.tobytes()


@given(st.floats(-700, 700), st.floats(0, 1e-3))
def test_exp_does_not_fall(x, step):
    first, second = EXP([x, x + step])
    assert second >= first * (1 - 2**-51)
