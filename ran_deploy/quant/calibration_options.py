"""What was asked for as the source of INT8 ranges: images or a calibration file, and never both."""

from dataclasses import dataclass
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Manifest
from ran_deploy.quant.calibrate import Method
from ran_deploy.quant.calibration import Calibration, ImageCalibration, open_calibration_file
from ran_deploy.quant.subset import DEFAULT_SAMPLES, choose_subset, open_calibration_data
from ran_deploy.resources import shipped_calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """The options of a calibration, as they were given; None: not given."""

    dataset: str | None = None
    """One of :data:`ran_deploy.quant.subset.CALIBRATION_DATASETS`; else the model's own."""
    data: Path | None = None
    """The folder with its images."""
    samples: int | None = None
    """How many of them; else 512."""
    seed: int | None = None
    """Seed of the choice of images; else 0."""
    method: Method | None = None
    """How the range of an activation is chosen: see :func:`ran_deploy.quant.calibrate.calibrate`; else the default."""
    file: Path | str | None = None
    """In place of images: a calibration file, or "shipped" for that of the shipped weights."""
    try_on: Path | None = None
    """With a calibration file: a folder of images to compare the models on; else generated images."""
    save: Path | None = None
    """Write the ranges that images have shown into this calibration file."""

    def __post_init__(self) -> None:
        """Check that the options go together; one that would be ignored is a mistake.

        Raises:
            UsageError: They do not, or ``save`` could overwrite something else than a calibration file.
        """
        if self.file is not None:
            on_images = {
                "--calib-data": self.data,
                "--calib-dataset": self.dataset,
                "--calib-samples": self.samples,
                "--method": self.method,
                "--seed": self.seed,
                "--save-calibration": self.save,
            }
            if given := [flag for flag, value in on_images.items() if value is not None]:
                raise UsageError(
                    f"{given[0]} goes with a calibration on images; --calibration takes all of that from its file.",
                    fix="Leave one of them out.",
                )
        elif self.try_on is not None:
            raise UsageError(
                "--samples goes with --precision fp16 or --calibration; else INT8 is tried on its calibration images.",
                fix="Leave it out.",
            )
        if self.save is not None and self.save.suffix != ".json":
            raise UsageError(
                f"The calibration file is to be {self.save}; its name must end in .json.", fix="Give another name."
            )

    def open(self, source: Manifest, method: Method) -> Calibration:
        """Choose the images, or read the file.

        Args:
            source: The float32 model's manifest.
            method: How ranges are chosen, for images.

        Raises:
            UsageError: There are not enough real images, or the file is missing or another network's.
            IntegrityError: An image or the file is damaged.
        """
        if self.file is not None:
            return open_calibration_file(self.file, source, self.try_on)
        if self.data is None and shipped_calibration(str(source.arch), str(source.dataset)) is not None:
            raise UsageError(
                "INT8 needs real images to be calibrated on, and no folder of them was given.",
                fix="Give --calib-data DIR, or --calibration shipped for the ranges that ship beside the weights.",
            )
        return self.open_images(source, method)

    def open_images(self, source: Manifest, method: Method) -> ImageCalibration:
        """Choose the images.

        Raises:
            UsageError: There are not enough real ones.
            IntegrityError: One is damaged.
        """
        dataset = open_calibration_data(self.dataset or source.dataset or "folder", self.data, source.contract)
        samples = DEFAULT_SAMPLES if self.samples is None else self.samples
        return ImageCalibration(subset=choose_subset(dataset, samples, self.seed or 0), method=method)
