"""Observed ranges as a file that travels with the weights, so that INT8 is calibrated on real images without any here.

A range is filed under the node that makes the value ("stages.1.mask.down.0.0/Add"), which is named after its module,
and not under the value's own name ("add_4421"), which the exporter numbers anew in each version.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import onnx

from ran_deploy.data.contract import MASK_PREFIX
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file, sha256_bytes
from ran_deploy.json_files import json_digest, read_json, write_json
from ran_deploy.manifest import Manifest, Parent, Preprocessing
from ran_deploy.quant.calibrate import METHODS, Ranges
from ran_deploy.quant.ranges import float_values

_ON_IMAGES = "Calibrate on images: --calib-dataset NAME --calib-data DIR"
_MAKE_ONE = "Make one with: ran-deploy quantize … --save-calibration FILE.json"
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationImages:
    """The images that ranges were observed on."""

    dataset: str
    split: Literal["train"]
    count: int
    seed: int
    set_sha256: str
    """Over all of ``images_sha256``, in order."""
    images_sha256: tuple[str, ...]
    """Of each image's uint8 pixels at model size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFile:
    """The ranges of one network's activations, and how they came about."""

    arch: str | None
    dataset: str | None
    """The network's."""
    checkpoint: Parent
    """The weights that the ranges hold for."""
    onnx_sha256: str
    """The float32 model that was observed."""
    preprocessing: Preprocessing
    images: CalibrationImages
    method: dict[str, Any]
    """How a range was chosen: "method" with its settings."""
    amax: dict[str, float]
    """Magnitude that int8's 127 stands for, by the node that makes the activation."""
    maxima: dict[str, float]
    """Largest magnitude of every float32 value, by the node that makes it or the input's name."""
    versions: dict[str, str]
    content_sha256: str = ""
    """Of all other fields, as JSON with sorted keys."""
    schema: Literal["ran-deploy.calibration/v1"] = "ran-deploy.calibration/v1"

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            UsageError: The content is not what its digest says, or a range is impossible.
        """
        images, numbers = self.images, (*self.amax.values(), *self.maxima.values())
        if self.content_sha256 and self.content_sha256 != self.digest():
            raise UsageError("the content is not what its digest says: it was changed or damaged.", fix=_ON_IMAGES)
        if self.method.get("method") not in METHODS:
            raise UsageError(f"the method is {self.method.get('method')!r}.", fix=_ON_IMAGES)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise UsageError("a range is negative, infinite or not a number.", fix=_ON_IMAGES)
        if any(value > self.maxima.get(name, -1.0) for name, value in self.amax.items()):
            raise UsageError("a range is larger than the largest magnitude that was observed.", fix=_ON_IMAGES)
        digest = sha256_bytes("\n".join(images.images_sha256).encode())
        if len(images.images_sha256) != images.count or digest != images.set_sha256:
            raise UsageError("the images named are not those of the set's digest.", fix=_ON_IMAGES)

    def digest(self) -> str:
        """Return the digest of all other fields."""
        return json_digest(replace(self, content_sha256=""))

    def require_checkpoint(self, source: Manifest, name: str) -> None:
        """Check that the ranges are those of a model's weights and preprocessing.

        Args:
            source: The model's manifest.
            name: What messages call this file.

        Raises:
            UsageError: They are another network's.
        """
        found = _checkpoint(source)
        if found is None or found.sha256 != self.checkpoint.sha256:
            made = "no checkpoint" if found is None else f"{found.name} ({found.sha256[:12]}…)"
            mine = f"{self.checkpoint.name} ({self.checkpoint.sha256[:12]}…)"
            raise UsageError(f"{name} holds the ranges of {mine}; the model was made from {made}.", fix=_ON_IMAGES)
        if self.preprocessing != source.contract.preprocessing:
            raise UsageError(f"{name} was observed with other preprocessing than the model's.", fix=_ON_IMAGES)

    def ranges_of(self, model: onnx.ModelProto, activations: Iterable[str], name: str) -> Ranges:
        """Return the ranges by the names that a model's values have.

        Args:
            model: The float32 model, prepared.
            activations: The values that will be quantized.
            name: What messages call this file.

        Raises:
            UsageError: The file is about other activations than these, or about other values than the model's.
        """
        made_by = _makers(model)
        bounded = _bounded(model)
        observed = tuple(value for value in float_values(model) if value not in bounded)
        for what, values, mine in (
            ("activations", tuple(activations), self.amax),
            ("values", observed, self.maxima),
        ):
            if odd := sorted({made_by[value] for value in values} ^ set(mine)):
                raise UsageError(
                    f"{name} is about other {what} than the model's; {len(odd)} differ, such as "
                    f"{', '.join(odd[:_NAMED])}.",
                    fix=_ON_IMAGES,
                )
        return Ranges(
            maxima={value: self.maxima[made_by[value]] for value in observed} | bounded,
            amax={value: self.amax[made_by[value]] for value in activations},
        )


def checkpoint_of(source: Manifest) -> Parent:
    """Return the checkpoint that a float32 model was made from.

    Raises:
        UsageError: Its manifest names none, as with random weights.
    """
    found = _checkpoint(source)
    if found is None:
        raise UsageError(
            "The model was not made from a checkpoint, so nothing would tell whose ranges a calibration file holds.",
            fix="Leave --save-calibration out, or export the model from a checkpoint.",
        )
    return found


def save_calibration_file(
    path: Path,
    *,
    model: onnx.ModelProto,
    source: Manifest,
    images: CalibrationImages,
    method: Mapping[str, Any],
    ranges: Ranges,
    versions: Mapping[str, str],
) -> CalibrationFile:
    """Write the ranges of a model, observed on images, atomically.

    Args:
        path: The file.
        model: The float32 model, prepared.
        source: Its manifest.
        images: What the ranges were observed on.
        method: How they were chosen.
        ranges: By the model's own names.
        versions: Of whatever had a part in them.

    Raises:
        UsageError: The model was not made from a checkpoint, or the file cannot be written.
    """
    made_by = _makers(model)
    content = CalibrationFile(
        arch=source.arch,
        dataset=source.dataset,
        checkpoint=checkpoint_of(source),
        onnx_sha256=source.sha256,
        preprocessing=source.contract.preprocessing,
        images=images,
        method=dict(method),
        amax={made_by[name]: value for name, value in ranges.amax.items()},
        maxima={made_by[name]: value for name, value in ranges.maxima.items() if name not in _bounded(model)},
        versions=dict(versions),
    )
    content = replace(content, content_sha256=content.digest())
    write_json(path, content, indent=1)
    return content


def read_calibration_file(path: Path) -> CalibrationFile:
    """Read a calibration file.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is damaged, was changed, or is something else.
    """
    require_file(path, what="calibration file", fix=_MAKE_ONE)
    try:
        content = read_json(CalibrationFile, path)
    except IntegrityError as error:
        raise IntegrityError(f"This is no whole calibration file: {error.message}", fix=_MAKE_ONE) from error
    if not content.content_sha256:
        raise IntegrityError(f"{path} lacks the digest of its content.", fix=_ON_IMAGES)
    return content


def _checkpoint(source: Manifest) -> Parent | None:
    return next((parent for parent in source.parents if parent.role == "checkpoint"), None)


def _bounded(model: onnx.ModelProto) -> dict[str, float]:
    """Return the bounds of masks among the outputs: means of values of -1 to 1, which need not be observed."""
    return {value.name: 1.0 for value in model.graph.output if value.name.startswith(MASK_PREFIX)}


def _makers(model: onnx.ModelProto) -> dict[str, str]:
    """Name each value of a prepared model after the node that makes it, the inputs after themselves."""
    names = {value.name: value.name for value in model.graph.input}
    for node in model.graph.node:
        for index, value in enumerate(node.output):
            names[value] = node.name if index == 0 else f"{node.name}:{index}"
    return names
