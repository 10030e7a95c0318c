r"""What line searches share: when a step is good enough, and where to try next.

Along a direction, :math:`\varphi(t) = f(x + t d)`; only slopes φ' and values φ at the
trials are known. All functions are pure: the search's memory is a part of a solver's state.
"""

from __future__ import annotations

from math import inf, isfinite, isnan, nan
from typing import Final, NamedTuple

DECREASE: Final = 1e-4
"""Share of the predicted decrease that a step must reach (delta of the Wolfe conditions)."""

CURVATURE: Final = 0.9
"""Share of the slope that may be left (sigma of the Wolfe conditions)."""

APPROXIMATE: Final = 0.1
"""Delta of the approximate conditions."""

NOISE: Final = 1e-10
"""By how much the objective may rise, relative to its value, under these."""


class Line(NamedTuple):
    """The start of a line: value and slope at step 0, the slope being negative."""

    value: float
    slope: float


class Trial(NamedTuple):
    """What was found at a step."""

    step: float
    value: float
    slope: float


class Bracket(NamedTuple):
    """Between which steps an acceptable one lies.

    At ``low`` the line still falls and is not above its start; at ``high``, infinite until
    it is known, it rises or is above its start. ``high_slope`` is NaN where it is of no use.
    """

    low: float
    low_slope: float
    high: float = inf
    high_slope: float = nan


def decreases(line: Line, trial: Trial) -> bool:
    r"""Return whether a step lowers the objective enough.

    Either :math:`\varphi(t) \le \varphi(0) + \delta t \varphi'(0)` or, where rounding of the
    values hides that, :math:`\varphi'(t) \le (2 \delta - 1) \varphi'(0)` and
    :math:`\varphi(t) \le \varphi(0) + \epsilon |\varphi(0)|`: the approximate condition, exact
    for a parabola (Hager and Zhang, *A new conjugate gradient method with guaranteed descent
    and an efficient line search*, SIAM J. Optim. 16, 2005, eq. 4.1 and 4.3).
    """
    if trial.value <= line.value + DECREASE * trial.step * line.slope:
        return True
    flat = trial.slope <= (2.0 * APPROXIMATE - 1.0) * line.slope
    return flat and trial.value <= ceiling(line)


def wolfe(line: Line, trial: Trial) -> bool:
    r"""Return whether it `decreases` and :math:`\varphi'(t) \ge \sigma \varphi'(0)`."""
    return decreases(line, trial) and trial.slope >= CURVATURE * line.slope


def ceiling(line: Line) -> float:
    """Return the highest value that is not above the start, but for rounding."""
    return line.value + NOISE * abs(line.value)


def narrow(bracket: Bracket, line: Line, trial: Trial) -> Bracket:
    """Return the bracket after a trial that was not accepted."""
    if not (isfinite(trial.value) and isfinite(trial.slope)):
        return bracket._replace(high=trial.step, high_slope=nan)
    if trial.slope >= 0.0:
        return bracket._replace(high=trial.step, high_slope=trial.slope)
    if trial.value <= ceiling(line):
        return bracket._replace(low=trial.step, low_slope=trial.slope)
    # It falls, but from above the start: a minimum lies before it; its slope misleads.
    return bracket._replace(high=trial.step, high_slope=nan)


def propose(bracket: Bracket, previous: Bracket, trials: int) -> float:
    """Return the next step to try.

    Without an upper end it extrapolates the slopes, two to ten times as far. Within a
    bracket it takes the secant's zero of the slope, kept off the ends by a tenth; each third
    trial, and where a slope is of no use, it bisects, so that the bracket shrinks for sure.
    """
    low, high = bracket.low, bracket.high
    if high == inf:
        guess = _secant(previous.low, previous.low_slope, low, bracket.low_slope)
        return min(max(guess, 2.0 * low), 10.0 * low) if isfinite(guess) else 2.0 * low
    width = high - low
    if isnan(bracket.high_slope):
        # Where even the scale of the step is in doubt, a tenth finds it sooner than a half.
        return low + (0.1 if low == 0.0 else 0.5) * width
    if trials % 3 == 0:
        return low + 0.5 * width
    guess = _secant(low, bracket.low_slope, high, bracket.high_slope)
    return min(max(guess, low + 0.1 * width), high - 0.1 * width)


def _secant(a: float, slope_a: float, b: float, slope_b: float) -> float:
    """Return where the line through two slopes is zero; infinite if it rises nowhere."""
    rise = slope_b - slope_a
    return b - slope_b * (b - a) / rise if rise > 0.0 else inf
