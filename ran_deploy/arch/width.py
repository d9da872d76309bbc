"""The option that every family has whose channels can be scaled."""

from dataclasses import dataclass

from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthOptions:
    """How wide a network is; families with more to choose derive from it."""

    width: float = 1.0
    """Multiplier of every layer's channels; the number of classes stays."""

    def __post_init__(self) -> None:
        """Refuse a width that names no network."""
        if not 0.125 <= self.width <= 16:
            raise UsageError(f"width is {self.width}; expected a multiplier from 0.125 to 16.")

    def channels(self, base: int) -> int:
        """Return ``base`` channels times the width, as a multiple of 4, since bottlenecks divide by 4."""
        return max(4, round(base * self.width / 4) * 4)
