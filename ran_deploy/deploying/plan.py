"""From a request and options to the stages of a deployment, in the order in which they run."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.deploying.context import Context
from ran_deploy.deploying.data import FOLDER
from ran_deploy.deploying.foreign import Foreign, read_foreign
from ran_deploy.deploying.here import find_runtimes, machine_identity
from ran_deploy.deploying.measures import accuracy_stage, bench_stage, pareto_stage, profile_stage
from ran_deploy.deploying.models import build_stage, export_stage, fp16_stage, import_stage, int8_stage
from ran_deploy.deploying.options import PLAN_RUNTIMES, DeployOptions, PrecisionName, RuntimeName
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.deploying.stage import Stage
from ran_deploy.runtime.open_onnx import CPU_RUNTIMES

REFERENCE: tuple[PrecisionName, RuntimeName] = ("fp32", "onnxruntime")
"""What all others are compared with; it is measured whether it was asked for or not."""
_PROFILED = (*CPU_RUNTIMES, *PLAN_RUNTIMES)


def make_context(folder: Path, request: DeployRequest, options: DeployOptions) -> Context:
    """Find out what is deployed and what this machine offers.

    Raises:
        UsageError: The source or the options are wrong.
        IntegrityError: The ONNX file or the data are damaged.
        MissingError: A runtime that was asked for by name is missing.
    """
    runtimes = find_runtimes(options)
    foreign: Foreign | None = None
    if request.onnx is not None:
        foreign = read_foreign(request, folder / f"{request.stem}.onnx")
        contract, dataset = foreign.manifest.contract, request.dataset or foreign.manifest.dataset
        if dataset is None and request.data is not None:
            dataset = FOLDER
    else:
        dataset = request.dataset or "cifar10"
        info = dataset_info(dataset)
        contract = make_contract(info, info.labels or tuple(str(index) for index in range(info.classes)))
    return Context(
        folder=folder,
        request=replace(request, dataset=dataset),
        options=options,
        runtimes=runtimes,
        dataset=dataset,
        contract=contract,
        foreign=foreign,
        machine=machine_identity(),
    )


def variants_of(context: Context) -> list[tuple[PrecisionName, RuntimeName]]:
    """Return precision and runtime of each engine, the reference first."""
    asked = [(precision, runtime) for precision in context.options.precisions for runtime in context.runtimes.chosen]
    return [REFERENCE, *(pair for pair in asked if pair != REFERENCE)]


def asked_for(context: Context, precision: str, runtime: str) -> bool:
    """Whether an engine was asked for, and is not only there to compare with."""
    return precision in context.options.precisions and runtime in context.runtimes.chosen


def make_stages(context: Context) -> list[Stage]:
    """Return the stages, parents first.

    Raises:
        UsageError: A stage could not do its work, such as INT8 without real images.
        IntegrityError: The images are damaged.
    """
    return list(_stages(context))


def _stages(context: Context) -> Iterator[Stage]:
    source = export_stage(context) if context.foreign is None else import_stage(context, context.foreign)
    yield source
    precisions = context.options.precisions
    if "fp16" in precisions:
        yield fp16_stage(context, source.name)
    if "int8" in precisions:
        yield int8_stage(context, source.name)
    if context.runtimes.flavour is not None:
        for precision in precisions:
            yield build_stage(context, precision, source.name)
    variants = variants_of(context)
    made_by = {(precision, runtime): _maker(source.name, precision, runtime) for precision, runtime in variants}
    if context.request.evaluates:
        for pair in variants:
            yield accuracy_stage(context, *pair, made_by[pair])
    for pair in variants:
        yield bench_stage(context, *pair, made_by[pair])
    if context.options.layers:
        for pair in variants:
            if pair[1] in _PROFILED:
                yield profile_stage(context, *pair, made_by[pair])
    if context.request.evaluates:
        yield pareto_stage(context, [*variants])


def _maker(source: str, precision: str, runtime: str) -> str:
    if runtime in PLAN_RUNTIMES:
        return f"build-{precision}"
    return source if precision == "fp32" else precision
