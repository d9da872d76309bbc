"""The ONNX file that a stage starts from: whole, ours, and described by its manifest."""

from pathlib import Path
from typing import Literal

from ran_deploy.errors import UsageError
from ran_deploy.files import require_file, require_output
from ran_deploy.manifest import Manifest, verified_manifest


def source_manifest(path: Path) -> Manifest:
    """Return the verified manifest of an ONNX file.

    Raises:
        UsageError: The file is missing, has no manifest, or is another kind of artefact.
        IntegrityError: The file is empty, or not the one that its manifest describes.
    """
    require_file(path, what="ONNX file", fix="Make one with: ran-deploy export")
    if path.suffix != ".onnx":
        raise UsageError(f"{path} ends in {path.suffix!r}; an ONNX file is needed.", fix="Give a .onnx file.")
    manifest = verified_manifest(path)
    if manifest is None:
        raise UsageError(
            f"{path} has no manifest beside it, so nothing says which precision and which input it is meant to have.",
            fix="Make the file with `ran-deploy export` or `ran-deploy quantize`, and keep both files together. "
            "One from elsewhere goes through: ran-deploy deploy --onnx FILE",
        )
    if manifest.kind != "onnx":
        raise UsageError(f"{path} is a {manifest.kind}; an ONNX file is needed.", fix="Give a .onnx file.")
    return manifest


def float32_source(onnx_path: Path, out: Path | None, precision: Literal["fp16", "int8"]) -> tuple[Manifest, Path]:
    """Return the manifest of a float32 file and the path of its form in a lower precision.

    Args:
        onnx_path: The float32 ``.onnx`` file.
        out: The result's path; None: beside it, with ``_<precision>`` in its name.
        precision: What it is to become.

    Raises:
        UsageError: It is not a float32 model with a manifest, or the result cannot be written.
        IntegrityError: The file is damaged.
    """
    source = source_manifest(onnx_path)
    if source.precision.asked != "fp32":
        made = {"fp16": "float16", "int8": "INT8"}[precision]
        raise UsageError(
            f"{onnx_path} is {source.precision.asked} already; {made} is made from the float32 file.",
            fix="Give the file that ran-deploy export wrote.",
        )
    path = onnx_path.with_name(f"{onnx_path.stem}_{precision}.onnx") if out is None else out
    if path.resolve() == onnx_path.resolve():
        raise UsageError(f"--out is the float32 file {onnx_path} itself.", fix="Choose another name.")
    require_output(path, ".onnx")
    return source, path
