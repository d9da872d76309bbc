"""The command that repeats a benchmark."""

import shlex
from dataclasses import fields

from ran_deploy.bench.options import DEFAULT_BATCHES, BenchOptions
from ran_deploy.bench.request import Request

_FLAGS = {
    "boundary": "--boundary",
    "warmup_ms": "--warm-up",
    "duration_s": "--duration",
    "max_duration_s": "--max-duration",
    "precision": "--precision",
    "iterations": "--iterations",
    "percentiles": "--percentile",
    "average_runs": "--avg-runs",
    "qps": "--qps",
    "slo_ms": "--slo-ms",
    "trials": "--trials",
    "workers": "--workers",
    "seed": "--seed",
    "processes": "--processes",
}


def repeat_command(request: Request, against_parent: bool) -> str:
    """Return the command line, with every option that differs from its default, ready to paste into a shell."""
    options = request.options
    words = ["ran-deploy", "bench", "--engine", request.engine, "--scenario", options.scenario]
    if options.batches != DEFAULT_BATCHES[options.scenario]:
        words += ["--batch", _text(options.batches)]
    defaults = {field.name: field.default for field in fields(BenchOptions)}
    for name, flag in _FLAGS.items():
        value = getattr(options, name)
        if value != defaults[name]:
            words += [flag, _text(value)]
    if options.find_max_qps:
        words.append("--find-max-qps")
    if request.images is not None:
        words += ["--images", request.images]
    if request.threads is not None:
        words += ["--threads", str(request.threads)]
    for flag, value, default in (
        ("--runtime", request.runtime, "auto"),
        ("--device", request.device, "auto"),
        ("--cuda-backend", request.cuda_backend, "cuda-python"),
    ):
        if value != default:
            words += [flag, value]
    flags = {"--trust": request.trust, "--fallback": request.fallback, "--no-parent": not against_parent}
    return shlex.join([*words, *(flag for flag, given in flags.items() if given)])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{item:.12g}" for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
