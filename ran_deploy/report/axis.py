"""Round numbers for the axes of charts."""

import math


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most about ``most`` round values between two, their step 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Return a number as an axis shows it."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.10g}" if abs(value) >= 1e-9 else "0"


def decades(low: float, high: float) -> list[float]:
    """Return round values between two numbers above 0 for a logarithmic axis: 1, 2 and 5 times powers of ten.

    Of a wide range only the powers of ten are kept, of a narrow one the round values of a linear axis.
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if high / low > 2000 else (1, 2, 5)
    found = [factor * 10.0**exponent for exponent in exponents for factor in factors]
    kept = [value for value in found if low * 0.999 <= value <= high * 1.001]
    return kept if len(kept) > 2 else ticks(low, high)
