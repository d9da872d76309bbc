"""Driving the builder: parse, profile, targets, build in a thread that Ctrl-C can stop."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.engine.flavour import Flavour
from ran_deploy.engine.log import make_monitor
from ran_deploy.engine.targets import set_targets
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.interrupts import ctrl_c_deferred
from ran_deploy.manifest import DYNAMIC, BatchProfile, Contract
from ran_deploy.progress import Progress
from ran_deploy.runtime.trt_log import Messages, make_logger

_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a builder gave."""

    plan: bytes
    model: bytes
    """The ONNX file as it was parsed."""
    messages: tuple[str, ...]
    """The whole log, which holds the engine's layers."""


def build_plan(
    onnx_path: Path,
    contract: Contract,
    flavour: Flavour,
    *,
    profile: BatchProfile,
    targets: tuple[str, ...],
    optimization_level: int,
    workspace_bytes: int | None,
) -> Built:
    """Parse an ONNX file into a strongly typed network and build it.

    Raises:
        UsageError: The parser or the builder refuses the model.
        IntegrityError: The file is not an ONNX model, or its input is not that of the contract.
    """
    trt = flavour.module
    logger, messages = make_logger(trt, keep_all=True)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    model = onnx_path.read_bytes()
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        raise _parse_error(onnx_path, parser, flavour)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.builder_optimization_level = optimization_level
    if workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    set_targets(flavour, config, targets)
    _add_profile(builder, config, network, contract, profile)
    cancelled = threading.Event()
    with Progress("build", 0, "steps") as progress:
        config.progress_monitor = make_monitor(trt, progress, cancelled)
        plan = _run(lambda: builder.build_serialized_network(network, config), cancelled)
    if plan is None:
        raise _build_error(onnx_path, messages, flavour, targets)
    return Built(plan=bytes(plan), model=model, messages=tuple(messages.all))


def _run(build: Callable[[], Any], cancelled: threading.Event) -> Any:
    """Build in a thread, so that Ctrl-C reaches this one, which then asks the builder to stop and waits for it."""
    outcome: dict[str, Any] = {}
    done = threading.Event()  # Thread.join is no substitute: interrupted, it takes a running thread for ended

    def work() -> None:
        try:
            outcome["plan"] = build()
        except Exception as error:
            outcome["error"] = error
        finally:
            done.set()

    thread = threading.Thread(target=work, name="tensorrt-build")
    try:
        with ctrl_c_deferred():  # interrupted, start() would leave a builder behind that nobody waits for
            thread.start()
        while not done.wait(_POLL_S):
            pass
    except KeyboardInterrupt:
        cancelled.set()
        while thread.is_alive() and not done.is_set():
            with contextlib.suppress(KeyboardInterrupt):
                done.wait(_POLL_S)
        raise
    finally:
        if thread.ident is not None:
            thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["plan"]


def _add_profile(builder: Any, config: Any, network: Any, contract: Contract, profile: BatchProfile) -> None:
    spec = contract.input
    images = network.get_input(0)
    shape = tuple(images.shape)
    if (
        network.num_inputs != 1
        or images.name != spec.name
        or len(shape) != len(spec.shape)
        or shape[1:] != spec.shape[1:]
    ):
        raise IntegrityError(
            f"The model's input is {images.name} {list(shape)}; its manifest says {spec.name} {list(spec.shape)}.",
            fix="Export the model again.",
        )
    if shape[0] != DYNAMIC:
        raise UsageError(
            f"The model's batch is fixed to {shape[0]}; plans are built for a range of batch sizes.",
            fix="Export it with a dynamic batch: ran-deploy export",
        )
    bounds = builder.create_optimization_profile()
    sizes = (profile.min_batch, profile.opt_batch, profile.max_batch)
    bounds.set_shape(images.name, *((size, *shape[1:]) for size in sizes))
    config.add_optimization_profile(bounds)


def _parse_error(path: Path, parser: Any, flavour: Flavour) -> UsageError | IntegrityError:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    nodes = [f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors if error.node_name()]
    if not nodes:
        reason = "; ".join(error.desc() for error in errors) or "no reason given"
        return IntegrityError(f"{path} cannot be parsed as an ONNX model: {reason}.", fix="Export the model again.")
    return UsageError(
        f"{flavour.name} {flavour.version} cannot parse {path}: {'; '.join(nodes)}.",
        fix="Export it with: ran-deploy export",
        details={"nodes": nodes},
    )


def _build_error(path: Path, messages: Messages, flavour: Flavour, targets: tuple[str, ...]) -> UsageError:
    where = f" for {', '.join(targets)}" if targets else ""
    fix = "Run again with `ran-deploy --debug`, and report it."
    if "sm75" in targets:
        fix = "TensorRT-RTX has no float32 classifier for sm75: build float16, or leave sm75 out."
    return UsageError(
        f"{flavour.name} {flavour.version} cannot build {path}{where}: {messages.last_errors()}.", fix=fix
    )
