"""``rebuild``: make an engine once more from what its manifest says, and show whether it is the same.

Where nothing has changed since, an ONNX file comes out with the same bytes. Plans never do: TensorRT times its
candidates anew at each build. They are compared by the types of their layers and, where a GPU is at hand, by their
logits.
"""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.deploying.remake import RebuildOptions, remake
from ran_deploy.errors import GateError, IncompatibleError, MissingError, UsageError
from ran_deploy.files import require_output, sha256_file
from ran_deploy.graph.parity import ParityMetrics
from ran_deploy.graph.verify import verify_engines
from ran_deploy.manifest import Manifest, publish, verified_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the rebuilt engine has otherwise."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildResult:
    """An engine and its rebuilt twin."""

    engine: str
    sha256: str
    rebuilt_sha256: str
    out: str | None
    """Where the rebuilt engine was kept; None: it was thrown away."""
    identical: bool
    """Whether both have the same bytes."""
    differences: tuple[Difference, ...]
    """What the two manifests say otherwise: contract, precision, calibration, profile; nothing for equivalent ones."""
    versions: tuple[Difference, ...]
    """Libraries that are of another version now."""
    metrics: ParityMetrics | None
    """The logits of both on the same images; None where they are identical, or cannot run here."""
    not_run: str | None
    """Why the two were not run; None: they were, or need not be."""
    evidence: str
    """What the verdict rests on, in one sentence."""


def rebuild(engine: Path, *, out: Path | None = None, options: RebuildOptions | None = None) -> RebuildResult:
    """Make an engine again by its manifest, from the same parents with the same options, and compare the two.

    Args:
        engine: An ``.onnx`` or ``.plan`` file of ran-deploy with its manifest.
        out: Keep the rebuilt engine there; None: compare, and keep nothing.
        options: Where parents and images are.

    Raises:
        UsageError: The file has no manifest or is a checkpoint, or a file or the images that it was made from were not
            found.
        IntegrityError: The engine, a parent or an image is damaged.
        MissingError: A package that its making needs is missing.
        GateError: The rebuilt engine is not equivalent; the details say in what. It is not kept.
    """
    chosen = options or RebuildOptions()
    manifest = verified_manifest(engine)
    if manifest is None:
        raise UsageError(f"{engine} has no manifest, which would say how it was made.", fix="Make the engine again.")
    if manifest.kind == "checkpoint":
        raise UsageError(f"{engine} is a checkpoint; training is not repeated.", fix="Give an .onnx or a .plan file.")
    if out is not None:
        if out.resolve() == engine.resolve():
            raise UsageError("The rebuilt engine would replace the one that it is compared with.", fix="Change --out.")
        require_output(out, engine.suffix)
        if out.exists() and sha256_file(out) in {parent.sha256 for parent in manifest.parents}:
            raise UsageError(f"The rebuilt engine would replace {out}, which it is made from.", fix="Change --out.")
    with tempfile.TemporaryDirectory(prefix="ran-deploy-rebuild-") as folder:
        twin = Path(folder) / engine.name
        made = remake(engine, manifest, twin, chosen)
        result = _compare(engine, manifest, twin, made, chosen.samples)
        if out is not None:
            publish(out, twin.read_bytes(), made)
    return dataclasses.replace(result, out=None if out is None else str(out))


def _compare(engine: Path, then: Manifest, twin: Path, now: Manifest, samples: Path | None) -> RebuildResult:
    identical = then.sha256 == now.sha256
    differences = _differences(then, now)
    metrics, not_run = None, None
    if not identical and not differences:
        try:
            metrics = verify_engines(engine, twin, data=samples).metrics
        except (MissingError, IncompatibleError) as error:
            not_run = error.message
        except GateError as error:
            raise GateError(
                f"{engine} and its rebuilt twin answer otherwise: {error.message}",
                fix="Find out what changed: the versions in the details, or the images of --samples.",
                details={**error.details, "versions": dict(_versions(then, now))},
            ) from error
    if differences:
        first = differences[0]
        raise GateError(
            f"{engine} comes out otherwise when it is made again: {first.what} was {first.then}, is {first.now}.",
            fix="See the details (--json) for all that differs, versions of libraries included.",
            details={
                "differences": [dataclasses.asdict(entry) for entry in differences],
                "versions": dict(_versions(then, now)),
            },
        )
    return RebuildResult(
        engine=str(engine),
        sha256=then.sha256,
        rebuilt_sha256=now.sha256,
        out=None,
        identical=identical,
        differences=differences,
        versions=tuple(Difference(what=name, then=old, now=new) for name, (old, new) in _versions(then, now)),
        metrics=metrics,
        not_run=not_run,
        evidence=_evidence(then, identical=identical, metrics=metrics),
    )


def _differences(then: Manifest, now: Manifest) -> tuple[Difference, ...]:
    """Compare all of the two manifests that says what the engine is, not when and on what it was tried."""
    old_build, new_build = then.build, now.build
    if old_build is not None and new_build is not None:  # another version may build an equivalent engine
        new_build = dataclasses.replace(new_build, version=old_build.version, gpu=old_build.gpu)
    pairs = (
        ("the contract", then.contract, now.contract),
        ("the types of the layers", then.precision.obtained, now.precision.obtained),
        ("the nodes kept in float", then.precision.kept, now.precision.kept),
        ("the calibration", then.calibration, now.calibration),
        ("the build", old_build, new_build),
    )
    return tuple(Difference(what=what, then=str(old), now=str(new)) for what, old, new in pairs if old != new)


def _versions(then: Manifest, now: Manifest) -> list[tuple[str, tuple[str, str]]]:
    names = sorted(then.versions.keys() | now.versions.keys())
    found = ((name, (then.versions.get(name, "none"), now.versions.get(name, "none"))) for name in names)
    return [(name, pair) for name, pair in found if pair[0] != pair[1]]


def _evidence(manifest: Manifest, *, identical: bool, metrics: ParityMetrics | None) -> str:
    if identical:
        return "the rebuilt file has the same bytes"
    if metrics is not None:
        return (
            f"on {metrics.images} images the logits differ by at most {metrics.max_abs:.3g} and "
            f"{100 * metrics.top1_agreement:.2f}% of the classes agree"
        )
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.obtained.items()))
    return f"the same parent, profile and targets gave the same types of layers ({types}); the plans were not run"
