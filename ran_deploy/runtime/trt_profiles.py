"""Which optimization profile of a plan serves a batch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The batch sizes of one optimization profile."""

    index: int
    min_batch: int
    opt_batch: int
    max_batch: int


def read_profiles(engine: Any, name: str) -> tuple[Profile, ...]:
    """Return an engine's profiles for the input ``name``, whose first dimension is the batch."""
    fixed = engine.get_tensor_shape(name)[0]
    if fixed != DYNAMIC:
        return (Profile(index=0, min_batch=fixed, opt_batch=fixed, max_batch=fixed),)
    profiles = []
    for index in range(engine.num_optimization_profiles):
        low, best, high = (shape[0] for shape in engine.get_tensor_profile_shape(name, index))
        profiles.append(Profile(index=index, min_batch=low, opt_batch=best, max_batch=high))
    return tuple(profiles)


def choose_profile(profiles: tuple[Profile, ...], batch: int, path: Path) -> Profile:
    """Return the profile that takes ``batch`` images and was tuned for the nearest number of them.

    Raises:
        UsageError: None takes so many, or so few.
    """
    fitting = [profile for profile in profiles if profile.min_batch <= batch <= profile.max_batch]
    if not fitting:
        ranges = ", ".join(f"{profile.min_batch} to {profile.max_batch}" for profile in profiles)
        raise UsageError(
            f"The batch has {batch} images; {path} takes {ranges}.",
            fix="Run it in parts, or build the plan again with other --min-batch and --max-batch.",
        )
    return min(fitting, key=lambda profile: (abs(profile.opt_batch - batch), profile.max_batch))
