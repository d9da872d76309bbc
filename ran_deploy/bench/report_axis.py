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
