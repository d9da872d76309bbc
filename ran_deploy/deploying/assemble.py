"""From the records and files of a deployment's folder to its result."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.pareto_result import ParetoResult
from ran_deploy.deploying.context import Context
from ran_deploy.deploying.recommend import recommend
from ran_deploy.deploying.result import DeployResult, Link, Source, StageRecord, Variant
from ran_deploy.deploying.variants import read_variants
from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_file
from ran_deploy.json_files import read_json
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.resources import shipped_weights

_MODELS = (".onnx", ".plan")


def assemble(
    context: Context,
    done: Mapping[str, StageRecord],
    *,
    origins: Mapping[str, str],
    profile: str | None,
    command: str,
) -> DeployResult:
    """Bring together what the stages have found.

    Args:
        context: The deployment.
        done: The records of its stages, all but the report's.
        origins: Where each option came from.
        profile: File name of the deployment profile.
        command: The command that repeats the deployment.

    Raises:
        IntegrityError: A file that a stage wrote is damaged.
    """
    pareto = None
    if (record := done.get("pareto")) is not None and record.status == "done":
        pareto = read_json(ParetoResult, context.folder / "pareto.json")
    variants = read_variants(context, done, pareto)
    recommendation = recommend(variants, pareto, context.options.load.objective, context.folder)
    return DeployResult(
        name=context.stem,
        source=_source(context),
        options=context.options,
        origins=dict(origins),
        profile=profile,
        dataset=context.dataset if context.request.evaluates else None,
        stages=tuple(done.values()),
        variants=tuple(
            replace(variant, status="recommended") if variant.name == recommendation.variant else variant
            for variant in variants
        ),
        pareto=pareto,
        recommendation=recommendation,
        absent=context.runtimes.absent,
        lineage=tuple(_lineage(context, done)),
        warnings=tuple(dict.fromkeys(_warnings(context, done, variants, pareto))),
        environment=read_environment(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
    )


def _source(context: Context) -> Source:
    manifest, request = _manifest(context), context.request
    if request.onnx is not None:
        name, digest = request.onnx.name, "" if context.foreign is None else context.foreign.sha256
    else:
        weights = request.checkpoint or shipped_weights(str(request.arch), str(context.dataset))
        known = None if request.random_weights else weights
        name, digest = ("random weights", "") if known is None else (known.name, sha256_file(known))
    return Source(
        kind="arch" if request.onnx is None else "onnx",
        arch=manifest.arch,
        dataset=manifest.dataset,
        name=name,
        sha256=digest,
        weights=manifest.weights,
        contract=manifest.contract,
        parity=manifest.parity if manifest.parity is not None and "images" in manifest.parity else {},
    )


def _manifest(context: Context) -> Manifest:
    manifest = read_manifest(context.model("fp32"))
    if manifest is None:
        raise IntegrityError(
            f"The manifest of {context.model('fp32')} is gone.", fix="Run the same command again; it is made anew."
        )
    return manifest


def _lineage(context: Context, done: Mapping[str, StageRecord]) -> Iterator[Link]:
    for record in done.values():
        for found in record.artefacts:
            path = context.folder / found.name
            if path.suffix not in _MODELS or (manifest := read_manifest(path)) is None:
                continue
            yield Link(
                name=found.name,
                kind=manifest.kind,
                sha256=found.sha256,
                size_bytes=found.size_bytes,
                parents=manifest.parents,
            )


def _warnings(
    context: Context,
    done: Mapping[str, StageRecord],
    variants: tuple[Variant, ...],
    pareto: ParetoResult | None,
) -> Iterator[str]:
    if not context.request.evaluates:
        yield "Accuracy was not measured, because no --data was given: the gates on it were not applied."
    manifest = _manifest(context)
    if manifest.weights == "random":
        yield "The weights are random: good for building and timing, useless for predicting."
    for runtime, reason in context.runtimes.absent.items():
        yield f"{runtime} is left out: {reason}"
    for record in done.values():
        for text in record.warnings:
            yield f"{record.name}: {text}"
    for variant in variants:
        if variant.accuracy is not None:
            yield from variant.accuracy.notes
        if variant.gate is not None and variant.gate.verdict == "UNDECIDED":
            yield f"{variant.name}: {variant.gate.summary}"
        for entry in () if variant.bench is None else variant.bench.results:
            if not entry.stable:
                yield f"{variant.name}: at batch {entry.batch} {entry.stability}"
    if pareto is not None:
        yield from pareto.remarks
