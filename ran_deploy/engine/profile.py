"""The batch sizes that a plan accepts."""

from ran_deploy.errors import UsageError
from ran_deploy.manifest import BatchProfile

DEFAULT_OPT_BATCH = 8
DEFAULT_MAX_BATCH = 64
_MOST_BATCH = 65_536
"""Far more than pays; the builder accepts batches whose tensors no GPU could hold."""


def make_profile(min_batch: int = 1, opt_batch: int | None = None, max_batch: int = DEFAULT_MAX_BATCH) -> BatchProfile:
    """Return a checked profile.

    Args:
        min_batch: Smallest batch.
        opt_batch: The batch that the builder tunes for; None: 8, or the nearest that the profile allows.
        max_batch: Largest batch.

    Raises:
        UsageError: Not 1 ≤ min ≤ opt ≤ max ≤ 65536.
    """
    opt = max(min_batch, min(DEFAULT_OPT_BATCH, max_batch)) if opt_batch is None else opt_batch
    if not 1 <= min_batch <= opt <= max_batch <= _MOST_BATCH:
        raise UsageError(
            f"The batch sizes are min {min_batch}, opt {opt}, max {max_batch}; "
            f"expected 1 ≤ min ≤ opt ≤ max ≤ {_MOST_BATCH}.",
            fix="Correct --min-batch, --opt-batch or --max-batch.",
        )
    return BatchProfile(min_batch=min_batch, opt_batch=opt, max_batch=max_batch)
