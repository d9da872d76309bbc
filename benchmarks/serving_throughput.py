"""What serving costs without a transport: an engine behind ModelHost, at saturation and under light load.

See benchmarks/README.md. The bare session and the host take turns within each round, in one process (the host's workers
are processes of their own), so that both meet the same machine; the same images, the same threads.
"""

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from result_file import ResultFile
from serving_bars import LIGHT_BAR, SATURATION_BAR, light_factor

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.loop import NS_PER_MS, NS_PER_S, timed_loop
from ran_deploy.bench.statistics import minimum_samples, supported_percentile
from ran_deploy.config import to_mapping
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Session
from ran_deploy.runtime.threads import usable_cpus
from ran_deploy.serving.collector import settle
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.serve import event_loop
from ran_deploy.serving.spec import HostOptions, ModelSpec

Images = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Bare and served, one after the other."""

    bare_images_per_s: float
    served_images_per_s: dict[int, float]
    """By the images in each request."""
    bare_ms: tuple[float, ...]
    """Latencies of one image."""
    served_ms: tuple[float, ...]
    """Latencies of one image that is alone."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the serving core beside the bare session.")
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--runtime", default="auto", help="what runs an .onnx file, as in ran-deploy serve")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16, 32, 64, 128], help="the best one bare is used")
    parser.add_argument("--request-images", type=int, nargs="+", default=[1, 8], help="images in a request")
    parser.add_argument("--max-delay-ms", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=1, help="0: a thread of the process")
    parser.add_argument("--threads", type=int, default=usable_cpus(), help="CPU threads in all, bare and served")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=5.0, help="seconds of each part at saturation")
    parser.add_argument("--samples", type=int, default=700, help="single images of each side and round")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def bare_rate(session: Session, part: Images, seconds: float) -> float:
    """Return the images per second of one batch after another."""
    session.run(part)
    latencies_ns, wall_ns = timed_loop(session, [part], runs=1, duration_ns=round(seconds * NS_PER_S))
    return len(latencies_ns) * len(part) * NS_PER_S / wall_ns


async def served_rate(host: ModelHost, images: Images, count: int, in_flight: int, seconds: float) -> float:
    """Return the images per second of requests of ``count`` images, so many always in flight."""
    answered = 0
    part = np.ascontiguousarray(images[:count])
    begun = time.perf_counter()
    warm, until = begun + 0.2 * seconds, begun + 1.2 * seconds

    async def client() -> None:
        nonlocal answered
        while time.perf_counter() < until:
            await host.infer("model", None, part)
            if warm <= time.perf_counter() <= until:
                answered += count

    await asyncio.gather(*(client() for _ in range(in_flight)))
    return answered / (until - warm)


def bare_latencies(session: Session, image: Images, samples: int) -> list[float]:
    """Return the milliseconds of single runs."""
    latencies_ns, _ = timed_loop(session, [image], runs=samples + 5, duration_ns=0)
    return [latency / NS_PER_MS for latency in latencies_ns[5:]]


async def served_latencies(host: ModelHost, image: Images, samples: int) -> list[float]:
    """Return the milliseconds of single requests."""
    times = []
    for _ in range(samples + 5):
        begun = time.perf_counter()
        await host.infer("model", None, image)
        times.append(1000 * (time.perf_counter() - begun))
    return times[5:]


async def measure(options: argparse.Namespace) -> tuple[int, list[Round]]:
    """Return the bare session's best batch, and all rounds."""
    each = max(1, options.threads // max(1, options.workers))
    spec = ModelSpec(name="model", path=options.engine, runtime=options.runtime, threads=each)
    with open_engine(options.engine, threads=options.threads, runtime=options.runtime) as session:
        contract = session.contract
        images = to_engine_input(generated_images(max(options.batch), contract.preprocessing.size), contract)
        found = {batch: bare_rate(session, images[:batch], 1.0) for batch in options.batch}
        best = max(found, key=lambda batch: found[batch])
        served = HostOptions(
            workers=options.workers, max_batch=best, max_delay_s=options.max_delay_ms / 1000, queue=64 * best
        )
        rounds = []
        async with ModelHost([spec], served) as host:
            settle()  # as ran-deploy serve does
            with Progress("serving", options.rounds, "rounds") as progress:
                for _ in range(options.rounds):
                    rounds.append(await measure_round(options, host, session, images, best))
                    progress.advance(1)
    return best, rounds


async def measure_round(
    options: argparse.Namespace, host: ModelHost, session: Session, images: Images, best: int
) -> Round:
    """Measure bare and served once, at saturation and then one image at a time."""
    served: dict[int, float] = {}
    batches = 3 * max(1, options.workers) + 1
    rate = bare_rate(session, images[:best], options.duration)
    for count in options.request_images:
        in_flight = max(2, -(-batches * best // count))
        served[count] = await served_rate(host, images, count, in_flight, options.duration)
    return Round(
        bare_images_per_s=rate,
        served_images_per_s=served,
        bare_ms=tuple(bare_latencies(session, images[:1], options.samples)),
        served_ms=tuple(await served_latencies(host, images[:1], options.samples)),
    )


def judge(rounds: list[Round], max_delay_ms: float) -> dict[str, Any]:
    """Compare with the bars; the median over the rounds counts."""
    counts = rounds[0].served_images_per_s
    shares = {
        count: statistics.median(one.served_images_per_s[count] / one.bare_images_per_s for one in rounds)
        for count in counts
    }
    light = [light_load(one, max_delay_ms) for one in rounds]
    medians = {name: statistics.median(one[name] for one in light) for name in light[0]}
    return {
        "bare_images_per_s": statistics.median(one.bare_images_per_s for one in rounds),
        "saturation_shares": shares,
        **medians,
        "light_p99_factors": [one["light_p99_factor"] for one in light],
        "passed": max(shares.values()) >= SATURATION_BAR and medians["light_p99_factor"] <= LIGHT_BAR,
    }


def light_load(measured: Round, max_delay_ms: float) -> dict[str, float]:
    """Compare a round's single images, served and bare; the bare ones' p99 shows the machine's part."""
    bare_p50, served_p50 = statistics.median(measured.bare_ms), statistics.median(measured.served_ms)
    bare_p99, served_p99 = (
        supported_percentile(sorted(latencies), 99) for latencies in (measured.bare_ms, measured.served_ms)
    )
    if bare_p99 is None or served_p99 is None:
        raise UsageError(
            f"A 99th percentile needs {minimum_samples(99)} samples.", fix=f"Use --samples {minimum_samples(99)}."
        )
    return {
        "bare_p50_ms": bare_p50,
        "bare_p99_ms": bare_p99,
        "served_p50_ms": served_p50,
        "served_p99_ms": served_p99,
        "light_p99_factor": light_factor(served_p99, bare_p50, max_delay_ms),
    }


def main(words: list[str]) -> int:
    """Measure, write the result and print it; 7 if a bar is missed."""
    options = arguments(words)
    result_file = ResultFile("serving_throughput", options)
    try:
        if min(options.rounds, options.samples, *options.request_images, *options.batch) < 1:
            raise UsageError("Rounds, samples, images and batches must be at least 1.", fix="Use --rounds 5.")
        result_file.check()
        environment = read_environment()
        with asyncio.Runner(loop_factory=event_loop()) as runner:  # the loop that ran-deploy serve has
            best, rounds = runner.run(measure(options))
        verdict = judge(rounds, options.max_delay_ms)
        document = {
            "environment": to_mapping(environment),
            "best_bare_batch": best,
            **verdict,
            "rounds": [to_mapping(one) for one in rounds],
        }
        result_file.write(document)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"{environment.cpu}, {environment.cpus} CPUs, load average {environment.load_average_1min}\n")
    sys.stdout.write(f"bare, batch {best}: {verdict['bare_images_per_s']:.0f} images/s\n")
    for count, share in verdict["saturation_shares"].items():
        sys.stdout.write(f"served, {count} in a request: {share:.1%} of that (bar {SATURATION_BAR:.0%})\n")
    sys.stdout.write(
        f"light load p99 {verdict['served_p99_ms']:.2f} ms: {verdict['light_p99_factor']:.2f} × (bare "
        f"{verdict['bare_p50_ms']:.2f} ms + delay) (bar {LIGHT_BAR}); bare p99 {verdict['bare_p99_ms']:.2f} ms\n"
        f"{result_file.path}\n"
    )
    return 0 if verdict["passed"] else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
