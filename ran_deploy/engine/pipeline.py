"""The way from a network's name to its plan: export, lower the precision, build."""

from pathlib import Path

from ran_deploy.engine.build import BuildOptions, BuildResult, build_engine
from ran_deploy.engine.flavour import load_flavour
from ran_deploy.engine.targets import check_targets
from ran_deploy.errors import UsageError
from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.quant.pipeline import quantize_for_arch


def build_for_arch(
    arch: str,
    *,
    dataset: str = "cifar10",
    precision: str = "fp32",
    folder: Path = Path(),
    out: Path | None = None,
    checkpoint: Path | None = None,
    random_weights: bool = False,
    samples: Path | None = None,
    options: BuildOptions | None = None,
) -> BuildResult:
    """Export a network, convert it if asked to, and build its plan; unchanged steps are not run again.

    Writes ``<arch>.onnx`` (with the dataset in its name where that is not CIFAR-10) into ``folder``, for float16
    ``<stem>_fp16.onnx`` too, and the plan beside them.

    Args:
        arch: A registered name, such as "att92".
        dataset: Chooses the layout, the classes and the shipped weights.
        precision: "fp32" or "fp16".
        folder: Where the files go.
        out: The plan's path; None: beside the ONNX file.
        checkpoint: Weights; None: the shipped ones.
        random_weights: Use random weights instead.
        samples: A folder of images for the parity checks.
        options: How to build; None: the defaults.

    Raises:
        RanDeployError: As the three stages.
    """
    if precision not in ("fp32", "fp16"):
        raise UsageError(f"The precision {precision!r} cannot be built.", fix="Use fp32 or fp16.")
    chosen = options or BuildOptions()
    check_targets(load_flavour(chosen.flavour), chosen.targets)  # before the long steps
    if precision == "fp16":
        model = quantize_for_arch(
            arch,
            dataset=dataset,
            folder=folder,
            checkpoint=checkpoint,
            random_weights=random_weights,
            samples=samples,
        ).path
    else:
        model = export_onnx(
            arch,
            dataset=dataset,
            checkpoint=checkpoint,
            out=folder / default_name(arch, dataset),
            samples=samples,
            random_weights=random_weights,
        ).path
    return build_engine(model, out=out, options=chosen)
