"""Whether the names of the classes are those of the engine's logits."""

from collections.abc import Iterator
from pathlib import Path

from ran_deploy.packaging.lint_view import ModelView
from ran_deploy.packaging.result import Finding


def check_labels(model: ModelView) -> Iterator[Finding]:
    """Check that each label file is there, and has one line for each class, in the engine's order."""
    for place, output in enumerate(model.config.output):
        if not output.label_filename:
            continue
        field = f"output[{place}].label_filename"
        path = model.folder / output.label_filename
        if not path.is_file():
            yield model.error("labels", field, f"{output.label_filename} is not there.", "Restore it, or leave it out.")
            continue
        yield from _compare(model, field, path, output.name)


def _compare(model: ModelView, field: str, path: Path, output: str) -> Iterator[Finding]:
    labels = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for version in model.versions:
        contract = version.manifest.contract if version.manifest is not None else version.tensors
        if contract is None or contract.output.name != output:
            continue
        where = f"{version.number}/{version.engine.name}"
        if len(labels) != contract.output.shape[-1]:
            yield model.error(
                "labels",
                field,
                f"{path.name} has {len(labels)} lines, but {where} has {contract.output.shape[-1]} classes.",
                "Write one label a line, in the order of the logits.",
                file=path,
            )
        elif version.manifest is not None and (wrong := _first_difference(labels, contract.labels)):
            number, found, expected = wrong
            yield model.error(
                "labels",
                field,
                f"Line {number} of {path.name} is {found!r}, but that class of {where} is {expected!r}.",
                "Write the labels in the order of the logits.",
                file=path,
            )


def _first_difference(labels: list[str], expected: tuple[str, ...]) -> tuple[int, str, str] | None:
    pairs = enumerate(zip(labels, expected, strict=True), start=1)
    return next(((number, found, right) for number, (found, right) in pairs if found != right), None)
