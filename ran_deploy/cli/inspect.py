"""``ran-deploy inspect``: what an engine's file is, and for a Q/DQ model what is wrong with it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ran_deploy.cli.facts import GLUE, LABEL, fact, origin, scalars
from ran_deploy.cli.output import JsonFlag, emit, note, size_text
from ran_deploy.errors import GateError, IntegrityError

if TYPE_CHECKING:
    from ran_deploy.engine.inspect import InspectReport
    from ran_deploy.manifest import Manifest
    from ran_deploy.quant.finding import Finding

EPILOG = """Examples:

ran-deploy inspect att92_fp16.plan

ran-deploy inspect --lint att92_int8.onnx
"""

_NAMED = 3
_DYNAMIC = -1
_KINDS = {"checkpoint": "checkpoint", "onnx": "ONNX model", "plan": "TensorRT plan"}


def inspect_command(
    file: Annotated[Path, typer.Argument(help="A .onnx, .safetensors, .plan or .ran file.", show_default=False)],
    lint: Annotated[bool, typer.Option("--lint", help="Check the Q/DQ nodes of an ONNX model for TensorRT.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what a file and its manifest say; nothing is run. Exit code 5 where they do not fit together."""
    from ran_deploy.engine.inspect import inspect_file

    report = inspect_file(file, lint=lint)
    emit(report, "inspect/v1", as_json=as_json, lines=report_lines(report))
    if report.matches_manifest is False:
        note(f"error: {file} is not the file that its manifest describes: it was changed or replaced.")
        raise typer.Exit(IntegrityError.exit_code)
    if errors := sum(finding.severity == "error" for finding in report.findings or ()):
        note(f"error: {errors} breaches of the rules make TensorRT refuse the model or compute something else.")
        raise typer.Exit(GateError.exit_code)


def report_lines(report: "InspectReport") -> list[str]:
    """Lay a report out for a person: one fact a line, wrapped, the empty ones left out."""
    fits = {True: "as its manifest says", False: "NOT the one in its manifest", None: "no manifest beside it"}
    rows = [("sha256", f"{report.sha256[:16]}…  {fits[report.matches_manifest]}")]
    if (archive := report.archive) is not None:
        names = ", ".join(file.name for file in archive.header.files)
        rows.append(("archive", f"sha256 {archive.sha256[:16]}…, {size_text(archive.size_bytes)}: {names}"))
    rows.append(("network", _network(report)))
    rows += _file_rows(report)
    if report.manifest is not None:
        rows += _manifest_rows(report.manifest, with_contract=report.kind != "onnx")
    rows += _origin_rows(report)
    kind = _KINDS[report.kind] if report.archive is None else f"archive of one {_KINDS[report.kind]}"
    lines = [f"{report.path}  {kind}, {size_text(report.size_bytes)}"]
    for name, text in rows:
        lines += fact(name, text)
    if report.findings is not None:
        lines += _lint_lines(report.findings)
    return lines


def _network(report: "InspectReport") -> str:
    if (manifest := report.manifest) is not None:
        options = f" ({scalars(manifest.options)})" if manifest.options else ""
        name = f"{manifest.arch or 'not from the registry'}{options}"
        return f"{name}, {manifest.dataset}, {len(manifest.contract.labels)} classes, {manifest.weights} weights"
    if report.checkpoint is not None and report.checkpoint.network:
        return scalars(report.checkpoint.network)
    return "unknown without a manifest"


def _file_rows(report: "InspectReport") -> list[tuple[str, str]]:
    rows = []
    if (onnx := report.onnx) is not None and report.kind == "onnx":
        rows += [("input", _tensor(value.name, value.dtype, value.shape)) for value in onnx.inputs]
        rows += [("output", _tensor(value.name, value.dtype, value.shape)) for value in onnx.outputs]
        rows.append(("format", f"opset {onnx.opset}, IR {onnx.ir_version}, written by {onnx.producer}"))
        rows.append(("size", _work(onnx.parameters, onnx.macs)))
        rows.append(("nodes", f"{sum(onnx.operators.values())}: {_counts(onnx.operators)}"))
        kinds = (f"{operator}: {_counts(types)}" for operator, types in onnx.compute.items())
        rows.append(("compute", " · ".join(kinds) or "no convolution or product"))
    elif onnx is not None:
        rows.append(("size", f"{_work(onnx.parameters, onnx.macs)}, by the ONNX model that it was built from"))
    if (checkpoint := report.checkpoint) is not None:
        work = _work(checkpoint.parameters, checkpoint.macs, noun="parameters")
        rows.append(("size", f"{work}, {checkpoint.tensors} tensors"))
        rows.append(("types", _counts(checkpoint.dtypes)))
    if (plan := report.plan) is not None:
        targets = f", targets {', '.join(plan.targets)}" if plan.targets else ""
        rows.append(("header", f"version {plan.version}{targets} (undocumented bytes: a hint)"))
    return rows


def _work(weights: int, macs: int | None, *, noun: str = "stored weights") -> str:
    counted = "multiply-adds not counted" if macs is None else f"{macs:,} multiply-adds per image"
    return f"{weights:,} {noun}, {counted}"


def _manifest_rows(manifest: "Manifest", *, with_contract: bool) -> Iterable[tuple[str, str]]:
    contract, precision, build = manifest.contract, manifest.precision, manifest.build
    if with_contract:
        for side, spec in (("input", contract.input), ("output", contract.output)):
            yield side, _tensor(spec.name, spec.dtype, spec.shape)
    rule = contract.preprocessing
    yield "images", f"{_resizing(rule.resize, rule.size)}, {rule.interpolation}, {contract.input.layout}"
    kept = f"; kept in float: {_some(precision.kept)}" if precision.kept else ""
    yield "precision", f"{precision.asked} asked for; obtained: {_counts(precision.obtained) or 'not counted'}{kept}"
    if build is not None:
        sizes = build.profile
        where = f"on {build.gpu}" if build.gpu else "without a GPU"
        yield "build", f"{build.flavour} {build.version} for {', '.join(build.targets)}, {where}"
        yield "batch", f"{sizes.min_batch} to {sizes.max_batch}, tuned for {sizes.opt_batch}"
    for name in ("calibration", "training", "parity", "accuracy"):
        if found := getattr(manifest, name):
            yield name, scalars(found)


def _origin_rows(report: "InspectReport") -> Iterable[tuple[str, str]]:
    for ancestor in report.lineage:
        yield "made from", origin(ancestor)
    if (manifest := report.manifest) is not None:
        versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
        yield "made", " with ".join(part for part in (manifest.created, versions) if part)
        yield "command", manifest.command


def _lint_lines(findings: "tuple[Finding, ...]") -> list[str]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.rule), []).append(finding)
    lines = fact("lint", _lint_summary(findings))
    for (severity, rule), found in groups.items():
        first = found[0]
        count = f" × {len(found)}" if len(found) > 1 else ""
        lines.append(f"{severity:<{LABEL}}{rule}{count}")
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        lines += fact("", f"{first.node}{more}: {first.message}" if first.node else first.message)
        lines += fact("", f"fix: {first.fix}")
    return lines


def _lint_summary(findings: "tuple[Finding, ...]") -> str:
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in ("error", "warning", "info")}
    named = [f"{count} {kind}{'s' if count > 1 and kind != 'info' else ''}" for kind, count in counts.items() if count]
    return ", ".join(named) or "every rule is kept"


def _tensor(name: str, dtype: str, shape: Iterable[int | str]) -> str:
    sides = ("N" if side == _DYNAMIC else str(side) for side in shape)
    return f"{name}  {dtype} [{' × '.join(sides)}]"


def _resizing(resize: int | None, size: int) -> str:
    if resize is None:
        return f"resized to {size} × {size}"
    return f"shorter side to {resize}, centre crop {size} × {size}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count}{GLUE}{name}" for name, count in counts.items())


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
