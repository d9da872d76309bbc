"""What HTTP or gRPC costs: a served engine at saturation and under light load, beside the bare session.

See benchmarks/README.md. The server is a process of its own; the load comes from perf_analyzer where it is found,
else from tritonclient's asynchronous client. Bare and served take turns, so that both meet the same machine.
"""

import argparse
import asyncio
import contextlib
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from result_file import ResultFile
from served_process import DATATYPES, server_process
from serving_bars import LIGHT_BAR, SATURATION_BAR, light_factor

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.loop import NS_PER_S, timed_loop
from ran_deploy.config import to_mapping
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One measurement from a client's side."""

    images_per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    """Answered; 0 where perf_analyzer does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Bare and served, one after the other."""

    bare_images_per_s: dict[int, float]
    """By batch size."""
    bare_p50_ms: float
    """Of one image."""
    saturated: Load
    light: Load


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure ran-deploy serve beside the bare session.")
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--runtime", default="auto", help="what runs an .onnx file, as in ran-deploy serve")
    parser.add_argument("--protocol", choices=("http", "grpc"), default="http")
    parser.add_argument("--client", choices=("auto", "perf_analyzer", "tritonclient"), default="auto")
    parser.add_argument("--max-batch", type=int, default=32)
    parser.add_argument("--bare-batch", type=int, nargs="+", default=[8, 16, 32, 64], help="the best of these counts")
    parser.add_argument("--request-images", type=int, default=8, help="images in each request at saturation")
    parser.add_argument("--concurrency", type=int, help="requests in flight at saturation; else enough for 3 batches")
    parser.add_argument("--max-delay-ms", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, help="CPU threads, bare and served")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of each part of a round")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def bare(session: Session, images: Any, batch: int, seconds: float) -> list[float]:
    """Return the times of runs of ``batch`` images, in seconds; the first run is not counted."""
    part = np.ascontiguousarray(np.resize(images, (batch, *images.shape[1:])))
    session.run(part)
    latencies_ns, _ = timed_loop(session, [part], runs=1, duration_ns=round(seconds * NS_PER_S))
    return [latency / NS_PER_S for latency in latencies_ns]


def perf_analyzer(program: str, options: argparse.Namespace, at: str, concurrency: int, images: int) -> Load:
    """Let perf_analyzer make the load."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.csv"
        command = [program, "-m", "model", "-u", at, "-i", options.protocol, "-b", str(images), "-f", str(report)]
        command += ["--concurrency-range", str(concurrency), "--percentile", "99", "--input-data", "random"]
        command += [
            "--measurement-interval",
            str(round(1000 * options.duration)),
            "-s",
            "999",
        ]  # rounds tell how stable it is
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            raise UsageError(f"perf_analyzer failed: {(done.stderr or done.stdout).strip()[-300:]}")
        with report.open() as stream:
            (row,) = csv.DictReader(stream)
    return Load(
        images_per_s=float(row["Inferences/Second"]),
        p50_ms=float(row["p50 latency"]) / 1000,
        p99_ms=float(row["p99 latency"]) / 1000,
        requests=0,
    )


async def tritonclient(options: argparse.Namespace, at: str, concurrency: int, images: Any) -> Load:
    """Make the load with tritonclient: so many requests are always in flight."""
    if options.protocol == "grpc":
        import tritonclient.grpc.aio as triton
    else:
        import tritonclient.http.aio as triton
    latencies: list[float] = []
    answered, begun = 0, 0.0
    async with contextlib.AsyncExitStack() as stack:
        client = triton.InferenceServerClient(at, **({} if options.protocol == "grpc" else {"conn_limit": concurrency}))
        await stack.enter_async_context(client)
        tensor = triton.InferInput("images", list(images.shape), DATATYPES[images.dtype.name])
        tensor.set_data_from_numpy(images)

        async def ask() -> None:
            nonlocal answered, begun
            while not begun or time.perf_counter() < begun + options.duration:
                sent = time.perf_counter()
                await client.infer("model", [tensor])
                now = time.perf_counter()
                answered += 1
                if not begun and answered >= concurrency:  # the queue is as full as it gets
                    begun = now
                elif begun and now <= begun + options.duration:
                    latencies.append(now - sent)

        await asyncio.gather(*(ask() for _ in range(concurrency)))
    if not latencies:
        raise UsageError("No request was answered in time.", fix="Give a longer --duration.")
    return Load(
        images_per_s=len(latencies) * len(images) / options.duration,
        p50_ms=1000 * float(np.percentile(latencies, 50)),
        p99_ms=1000 * float(np.percentile(latencies, 99)),
        requests=len(latencies),
    )


def measure(options: argparse.Namespace, program: str | None) -> list[Round]:
    """Run all rounds."""
    concurrency = options.concurrency or max(2, 3 * options.max_batch // options.request_images)
    rounds = []
    names = ("runtime", "workers", "threads", "max_batch", "max_delay_ms")
    served = {name.replace("_", "-"): getattr(options, name) for name in names}
    with (
        server_process(options.engine, served) as server,
        open_engine(options.engine, threads=options.threads, runtime=options.runtime) as session,
        Progress("load", options.rounds, "rounds") as progress,
    ):
        at = server.grpc if options.protocol == "grpc" else server.http
        contract = session.contract
        images = to_engine_input(generated_images(64, contract.preprocessing.size), contract)

        def load(in_flight: int, count: int) -> Load:
            if program is not None:
                return perf_analyzer(program, options, at, in_flight, count)
            return asyncio.run(tritonclient(options, at, in_flight, images[:count]))

        for _ in range(options.rounds):
            share = options.duration / len(options.bare_batch)
            rates = {batch: bare(session, images, batch, share) for batch in options.bare_batch}
            single = bare(session, images, 1, share)
            rounds.append(
                Round(
                    bare_images_per_s={batch: batch / statistics.median(times) for batch, times in rates.items()},
                    bare_p50_ms=1000 * statistics.median(single),
                    saturated=load(concurrency, options.request_images),
                    light=load(1, 1),
                )
            )
            progress.advance(1)
    return rounds


def judge(rounds: list[Round], max_delay_ms: float) -> dict[str, Any]:
    """Compare with the bars; the median over the rounds counts."""
    best = max(
        rounds[0].bare_images_per_s, key=lambda batch: statistics.median(r.bare_images_per_s[batch] for r in rounds)
    )
    shares = [one.saturated.images_per_s / one.bare_images_per_s[best] for one in rounds]
    factors = [light_factor(one.light.p99_ms, one.bare_p50_ms, max_delay_ms) for one in rounds]
    share, factor = statistics.median(shares), statistics.median(factors)
    return {
        "best_bare_batch": best,
        "saturation_share": share,
        "saturation_shares": shares,
        "light_p99_factor": factor,
        "light_p99_factors": factors,
        "passed": share >= SATURATION_BAR and factor <= LIGHT_BAR,
    }


def main(words: list[str]) -> int:
    """Measure, write the result and print it; 7 if a bar is missed."""
    options = arguments(words)
    result_file = ResultFile("serving_load", options)
    program = None if options.client == "tritonclient" else shutil.which("perf_analyzer")
    try:
        if options.client == "perf_analyzer" and program is None:
            raise UsageError(
                "perf_analyzer is not on the path.", fix="Add its folder to PATH; see benchmarks/README.md."
            )
        if min(options.rounds, options.request_images, options.max_batch, *options.bare_batch) < 1:
            raise UsageError("Rounds, images and batches must be at least 1.", fix="Use --rounds 3.")
        result_file.check()
        environment, digest = read_environment(), sha256_file(options.engine)
        rounds = measure(options, program)
        verdict = judge(rounds, options.max_delay_ms)
        document = {
            "client": "perf_analyzer" if program else "tritonclient",
            "sha256": digest,
            "environment": to_mapping(environment),
            "load_average_after": read_environment().load_average_1min,
            **verdict,
            "rounds": [to_mapping(one) for one in rounds],
        }
        result_file.write(document)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(
        f"{environment.cpu}, {environment.cpus} CPUs, load average before: {environment.load_average_1min}\n"
        f"at saturation {verdict['saturation_share']:.1%} of the bare session's images/s (bar {SATURATION_BAR:.0%})\n"
        f"light load p99 {verdict['light_p99_factor']:.2f} × (bare latency + delay) (bar {LIGHT_BAR})\n"
        f"{result_file.path}\n"
    )
    return 0 if verdict["passed"] else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
