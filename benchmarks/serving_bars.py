"""What serving may cost beside the bare session: the two bars, and how light load is judged."""

SATURATION_BAR = 0.9
"""Least share of the bare session's images per second at its best batch."""
LIGHT_BAR = 1.5
"""Most that the 99th percentile may be of the bare latency and the batching delay together."""


def light_factor(p99_ms: float, bare_p50_ms: float, max_delay_ms: float) -> float:
    """Return what part of the bare latency and the batching delay together a 99th percentile is."""
    return p99_ms / (bare_p50_ms + max_delay_ms)
