"""``explain``: what the attention modules of a network look at, as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.data.preprocess import find_images
from ran_deploy.errors import UsageError
from ran_deploy.explaining.attention import ImageAttention, attend
from ran_deploy.explaining.picture import draw
from ran_deploy.figures import check_figure
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.predict import Guess

MOST_IMAGES = 24
"""More rows than this are no picture that anybody looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFacts:
    """One attention module's soft mask for one image, as the mean over its channels."""

    name: str
    """Such as "mask_stage2_1": stage and module, counted from 1."""
    height: int
    width: int
    least: float
    most: float
    mean: float
    channel: int | None
    """The channel whose features are drawn before and after the mask; None where the engine gives means only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a network says of one image, and how strongly each module looks."""

    file: Path
    top: tuple[Guess, ...]
    """Likeliest first."""
    masks: tuple[MaskFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """The picture, and its numbers in the order of the files."""

    path: Path
    engine: str
    sha256: str
    runtime: str
    images: tuple[ImageFacts, ...]


def explain(
    engine: Path | str,
    files: Sequence[Path],
    *,
    out: Path = Path("explain.png"),
    top: int = 5,
    threads: int | None = None,
    trust: bool = False,
    runtime: Runtime = "auto",
) -> ExplainResult:
    """Draw the soft mask of each attention module over images, side by side.

    From a checkpoint, one channel of the last module of each stage is drawn as well, before the mask, the mask, and
    after it, as in figure 1 of Wang et al., "Residual Attention Network for Image Classification" (CVPR 2017); it is
    the channel in which features and mask vary most.

    Args:
        engine: A checkpoint, or an ``.onnx`` file that was exported with masks.
        files: Images, or folders that are searched for images, in sorted order; 24 at most.
        out: The picture, PNG, SVG or PDF.
        top: How many classes to return for each image; the picture names the first.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        runtime: What runs it; see :func:`~ran_deploy.runtime.open.open_engine`.

    Raises:
        UsageError: The engine gives no masks, a file is missing, an option is out of range, or an image
            would be replaced by the picture.
        IntegrityError: A file is not an image, or the engine is damaged.
        MissingError: A package is missing.
        GateError: The engine returned numbers that are not finite.
    """
    check_positive("--top", top)
    check_figure(out, "ran-deploy explain")
    paths = find_images(files)
    if out.absolute() in [path.absolute() for path in paths] or (out.exists() and any(map(out.samefile, paths))):
        raise UsageError(f"{out} is among the images and would be replaced.", fix="Choose another --out.")
    if len(paths) > MOST_IMAGES:
        raise UsageError(
            f"{len(paths)} images were given; a picture holds at most {MOST_IMAGES}.", fix="Choose some of them."
        )
    with open_engine(engine, threads=threads, trust=trust, runtime=runtime) as session:
        found: list[ImageAttention] = []
        with Progress("explain", len(paths), "images") as progress:
            for path in paths:
                found.append(attend(session, path, top))
                progress.advance(1)
        info = session.info
    draw(found, out, title=f"{Path(info.engine).name}: where each attention module looks")
    return ExplainResult(
        path=out,
        engine=info.engine,
        sha256=info.sha256,
        runtime=info.runtime,
        images=tuple(_facts(each) for each in found),
    )


def _facts(image: ImageAttention) -> ImageFacts:
    masks = tuple(
        MaskFacts(
            name=module.name,
            height=module.mask.shape[0],
            width=module.mask.shape[1],
            least=float(module.mask.min()),
            most=float(module.mask.max()),
            mean=float(module.mask.mean()),
            channel=None if module.channel is None else module.channel.channel,
        )
        for module in image.modules
    )
    return ImageFacts(file=image.file, top=image.top, masks=masks)
