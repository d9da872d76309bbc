"""The option of networks that can leave out features in front of their classifier while they learn."""

from dataclasses import dataclass

from ran_deploy.arch.width import WidthOptions
from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutOptions(WidthOptions):
    """The width, and how many features are left out in training."""

    dropout: float = 0.0
    """Probability with which a feature in front of the last dense layers is left out while training."""

    def __post_init__(self) -> None:
        """Refuse values that name no network."""
        WidthOptions.__post_init__(self)
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; expected 0 to below 1.")
