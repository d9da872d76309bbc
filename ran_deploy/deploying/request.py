"""What is to be deployed, and the images that it is proven with: as given, checked for contradictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ran_deploy.data.catalog import dataset_info
from ran_deploy.deploying.data import DEPLOY_DATASETS, FOLDER
from ran_deploy.errors import UsageError
from ran_deploy.quant.calibration import SHIPPED
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.subset import CALIBRATION_DATASETS
from ran_deploy.resources import shipped_calibration

_MEAN_OR_STD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """The source of a deployment, and its images.

    Raises:
        UsageError: No source or two are given, or an option does not go with it.
    """

    arch: str | None = None
    """A registered network."""
    checkpoint: Path | None = None
    """Its weights; None: the shipped ones."""
    random_weights: bool = False
    """Use seeded random weights, to try the path without training."""
    network_options: Mapping[str, Any] = field(default_factory=dict)
    """The network's options, with random weights only."""
    onnx: Path | None = None
    """In place of a network: the ONNX file of any classifier of square RGB images."""
    dataset: str | None = None
    """Chooses layout, labels and preprocessing; a name of the catalogue, or "folder"; None: cifar10 for a network."""
    data: Path | None = None
    """The folder with the dataset; "synthetic" needs none."""
    samples: Path | None = None
    """A folder of images for the parity checks; None: generated ones."""
    labels: Path | None = None
    """For an ONNX file: the class names, one on a line; None: the dataset's."""
    mean: tuple[float, ...] | None = None
    """For an ONNX file with float32 inputs: mean of the RGB channels on the scale 0 to 1; None: the dataset's."""
    std: tuple[float, ...] | None = None
    """The same for the standard deviation."""
    resize: int | None = None
    """For an ONNX file: shorter side before the centre crop; None: the dataset's rule."""
    calibration: str | None = None
    """For INT8, in place of images: a calibration file, or "shipped"."""
    calib_data: Path | None = None
    """For INT8: other images than those of ``data``."""
    calib_dataset: str | None = None
    """What ``calib_data`` is; None: any folder of images."""

    def __post_init__(self) -> None:
        if (self.arch is None) == (self.onnx is None):
            raise UsageError("Give either --arch or --onnx.", fix="See: ran-deploy deploy --help")
        self._check_together()
        if self.dataset is not None and self.dataset not in DEPLOY_DATASETS:
            dataset_info(self.dataset)  # raises, with the nearest name
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and (len(values) != _MEAN_OR_STD or (name == "std" and min(values) <= 0)):
                wanted = "numbers" if name == "mean" else "numbers above 0"
                raise UsageError(
                    f"--{name} is {','.join(map(str, values))}; expected three {wanted}, such as 0.485,0.456,0.406."
                )
        if (self.mean is None) != (self.std is None):
            raise UsageError("One of --mean and --std is given.", fix="Give both.")
        if self.calibration is not None and (self.calib_data is not None or self.calib_dataset is not None):
            raise UsageError("--calibration takes the place of calibration images.", fix="Leave one of them out.")

    def _check_together(self) -> None:
        for_arch = {
            "--checkpoint": self.checkpoint,
            "--random-weights": self.random_weights or None,
            "network_options": self.network_options or None,
        }
        for_onnx = {
            "--labels": self.labels,
            "--mean": self.mean,
            "--std": self.std,
            "--resize": self.resize,
        }
        wrong = for_onnx if self.arch is not None else for_arch
        if given := [name for name, value in wrong.items() if value is not None]:
            raise UsageError(
                f"{given[0]} goes with {'--onnx' if self.arch is not None else '--arch'}.", fix="Leave it out."
            )
        if self.arch is not None and self.dataset == FOLDER:
            raise UsageError(
                "A network has the layout of a dataset of the catalogue.", fix="Give that as --dataset, not folder."
            )

    @property
    def stem(self) -> str:
        """What the files of the deployment are called."""
        if self.onnx is not None:
            return self.onnx.stem
        from ran_deploy.graph.export import default_name  # which needs torch

        return default_name(str(self.arch), self.dataset or "cifar10").removesuffix(".onnx")

    @property
    def evaluates(self) -> bool:
        """Whether there are labelled images to measure accuracy on."""
        return self.data is not None or self.dataset == "synthetic"

    def calibrated_by(self, samples: int | None, method: Any) -> CalibrationOptions:
        """Return where the INT8 ranges come from: a file, the images given for it, the dataset, or what ships.

        Args:
            samples: How many images; None: the default.
            method: How a range is chosen; None: the default.

        Raises:
            UsageError: There is none of them.
        """
        if self.calibration is not None:
            return CalibrationOptions(file=self.calibration, try_on=self.samples)
        if self.calib_data is not None:
            name = self.calib_dataset or FOLDER
            return CalibrationOptions(dataset=name, data=self.calib_data, samples=samples, method=method)
        dataset = self.dataset or "cifar10"
        if self.data is not None and dataset in CALIBRATION_DATASETS:
            return CalibrationOptions(dataset=dataset, data=self.data, samples=samples, method=method)
        own = self.onnx is not None or self.checkpoint is not None or self.random_weights
        if not own and shipped_calibration(str(self.arch), dataset) is not None:
            return CalibrationOptions(file=SHIPPED, try_on=self.samples)
        raise UsageError(
            "INT8 needs real images to be calibrated on, and none were given; the calibration that ships is for the "
            "shipped weights only.",
            fix="Give --data DIR or --calib-data DIR, or leave INT8 out: --precisions fp32,fp16",
        )
