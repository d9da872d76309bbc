"""Where the ranges of an INT8 model come from: images that are here, or a file of what others have shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import onnx

from ran_deploy.config import to_mapping
from ran_deploy.data.probes import Probes
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Contract, Manifest, Parent
from ran_deploy.quant.calibrate import Method, Ranges
from ran_deploy.quant.calibration_file import CalibrationFile, CalibrationImages, read_calibration_file
from ran_deploy.quant.observed import engine_inputs, observed_ranges
from ran_deploy.quant.subset import Subset
from ran_deploy.quant.trial import SMALL_PIXELS, TrialImages, probe_batches, trial_probes
from ran_deploy.resources import shipped_calibration

SHIPPED = "shipped"
"""Stands for the calibration file that ships beside a network's weights."""
_COMPARED_LARGE = 64


class Calibration(Protocol):
    """Ranges, and what the manifest says of them."""

    @property
    def method(self) -> Method:
        """How a range was chosen."""

    def parent(self) -> Parent:
        """Return what the INT8 model was made from, beside the float32 one."""

    def inputs(self) -> dict[str, Any]:
        """Return what determines the result, for the stage's key."""

    def record(self, source: Manifest) -> dict[str, Any]:
        """Return where the ranges come from, for the manifest."""

    def ranges(self, model: onnx.ModelProto, activations: tuple[str, ...], source: Manifest) -> Ranges:
        """Return the ranges of a prepared float32 model's activations."""

    def trial(self, contract: Contract) -> TrialImages:
        """Return the images to try the result on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCalibration:
    """Ranges observed on images that are here."""

    subset: Subset
    method: Method

    def parent(self) -> Parent:
        """Return the set of images."""
        dataset = self.subset.dataset
        return Parent(role="calibration", name=f"{dataset.info.name} {dataset.split}", sha256=self.subset.digest)

    def inputs(self) -> dict[str, Any]:
        """Return the digest of the images."""
        return {"images": self.subset.digest}

    def record(self, source: Manifest) -> dict[str, Any]:
        """Return which images of what they were, and the model that was observed."""
        return {"source": "images", **to_mapping(self.images()), "onnx_sha256": source.sha256}

    def images(self) -> CalibrationImages:
        """Return which images they are."""
        subset = self.subset
        return CalibrationImages(
            dataset=subset.dataset.info.name,
            split="train",
            count=len(subset),
            seed=subset.seed,
            set_sha256=subset.digest,
            images_sha256=subset.digests,
        )

    def ranges(self, model: onnx.ModelProto, activations: tuple[str, ...], source: Manifest) -> Ranges:
        """Observe them, or take them from the cache.

        Raises:
            RanDeployError: As :func:`ran_deploy.quant.observed.observed_ranges`.
        """
        return observed_ranges(model, activations, source, self.subset, self.method)

    def trial(self, contract: Contract) -> TrialImages:
        """Return the calibration images, or 64 of them where they are large."""
        count = len(self.subset)
        if contract.preprocessing.size > SMALL_PIXELS:
            count = min(count, _COMPARED_LARGE)
        return TrialImages(source="calibration", count=count, batches=lambda: engine_inputs(contract, self.subset))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCalibration:
    """Ranges that were observed elsewhere, on images that are not here."""

    path: Path
    sha256: str
    file: CalibrationFile
    probes: Probes

    @property
    def method(self) -> Method:
        """How a range was chosen, by the file."""
        method: Method = self.file.method["method"]  # checked on reading
        return method

    def parent(self) -> Parent:
        """Return the calibration file."""
        return Parent(role="calibration", name=self.path.name, sha256=self.sha256)

    def inputs(self) -> dict[str, Any]:
        """Return the digests of the file and of the images to try the result on."""
        return {"calibration": self.sha256, "images": self.probes.digest()}

    def record(self, source: Manifest) -> dict[str, Any]:  # noqa: ARG002  # the file says which model was observed
        """Return what the file says, and which file it is."""
        return {
            "source": "calibration file",
            "file": self.path.name,
            "file_sha256": self.sha256,
            **to_mapping(self.file.images),
            **self.file.method,
            "onnx_sha256": self.file.onnx_sha256,
            "checkpoint_sha256": self.file.checkpoint.sha256,
            "observed_with": self.file.versions,
        }

    def ranges(self, model: onnx.ModelProto, activations: tuple[str, ...], source: Manifest) -> Ranges:  # noqa: ARG002
        """Take them from the file.

        Raises:
            UsageError: The file is about other activations.
        """
        return self.file.ranges_of(model, activations, str(self.path))

    def trial(self, contract: Contract) -> TrialImages:  # noqa: ARG002  # the probes know theirs
        """Return the images that were given, or generated ones."""
        probes = self.probes
        return TrialImages(source=probes.source, count=probes.count, batches=lambda: probe_batches(probes))


def open_calibration_file(given: Path | str, source: Manifest, samples: Path | None) -> FileCalibration:
    """Open a calibration file for a float32 model.

    Args:
        given: Its path, or "shipped" for the one that ships beside the network's weights.
        source: The model's manifest.
        samples: A folder of images to try the result on; None: generated images.

    Raises:
        UsageError: There is no such file, it holds the ranges of other weights, or the folder holds no image.
        IntegrityError: The file is damaged or was changed.
    """
    path = require_shipped(source.arch, source.dataset) if given == SHIPPED else Path(given)
    file = read_calibration_file(path)
    file.require_checkpoint(source, str(path))
    return FileCalibration(
        path=path, sha256=sha256_file(path), file=file, probes=trial_probes(source.contract, samples)
    )


def require_shipped(arch: str | None, dataset: str | None) -> Path:
    """Return the calibration file that ships beside a network's weights.

    Raises:
        UsageError: None ships.
    """
    path = shipped_calibration(str(arch), str(dataset))
    if path is None:
        raise UsageError(
            f"No calibration ships for {arch or 'this model'} on {dataset}; INT8 needs real images to calibrate on.",
            fix="Calibrate on images: --calib-dataset NAME --calib-data DIR",
        )
    return path
