"""Whether the batches that Triton may put together are batches that the engine takes."""

from collections.abc import Iterator

from ran_deploy.packaging.lint_view import ModelView
from ran_deploy.packaging.result import Finding


def check_batching(model: ModelView) -> Iterator[Finding]:
    """Check preferred ≤ largest ≤ the plan's profile, and that the queue has an end."""
    largest = model.config.max_batch_size
    yield from _profiles(model, largest)
    if not model.config.HasField("dynamic_batching"):
        return
    batching = model.config.dynamic_batching
    if largest == 0:
        yield model.error(
            "batch-size",
            "dynamic_batching",
            "There is dynamic_batching, but max_batch_size is 0: Triton would not batch at all.",
            "Remove dynamic_batching, or set max_batch_size.",
        )
        return
    for place, size in enumerate(batching.preferred_batch_size):
        if not 1 <= size <= largest:
            yield model.error(
                "batch-size",
                f"dynamic_batching.preferred_batch_size[{place}]",
                f"The preferred batch size {size} is not within 1 to {largest}, the max_batch_size.",
                "Lower it, or remove it.",
            )
    if batching.default_queue_policy.max_queue_size == 0:
        yield model.warning(
            "queue",
            "dynamic_batching.default_queue_policy.max_queue_size",
            "The queue has no end: under overload requests wait ever longer instead of being refused.",
            "Set max_queue_size, such as 1024.",
        )
    if batching.max_queue_delay_microseconds > 0 and largest == 1:
        yield model.warning(
            "queue",
            "dynamic_batching.max_queue_delay_microseconds",
            "Requests wait for others, but max_batch_size is 1.",
            "Remove dynamic_batching, or raise max_batch_size.",
        )


def _profiles(model: ModelView, largest: int) -> Iterator[Finding]:
    if (
        model.backend == "openvino"
        and largest > 1
        and model.parameters.get("ENABLE_BATCH_PADDING", "").lower() != "yes"
    ):
        yield model.error(
            "padding",
            "parameters.ENABLE_BATCH_PADDING",
            f"Triton's back end openvino refuses every batch of fewer than {largest} images.",
            "Set the parameter ENABLE_BATCH_PADDING to YES, or max_batch_size to 0 with dims that begin with -1.",
        )
    for version in model.versions:
        build = None if version.manifest is None else version.manifest.build
        if build is None or largest == 0:
            continue
        profile = build.profile
        where = f"{version.number}/{version.engine.name}"
        if largest > profile.max_batch:
            yield model.error(
                "batch-size",
                "max_batch_size",
                f"max_batch_size is {largest}, but {where} takes at most {profile.max_batch} images.",
                f"Lower it to {profile.max_batch}, or build the plan for more.",
            )
        if profile.min_batch > 1:
            yield model.error(
                "batch-size",
                "max_batch_size",
                f"{where} takes at least {profile.min_batch} images, but Triton also sends one.",
                "Build the plan with --min-batch 1.",
            )
