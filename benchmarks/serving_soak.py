"""10,000 requests to a ModelHost, or over HTTP, with a reload and a worker killed on the way: each right, or refused.

See benchmarks/README.md. Refused means one of the documented errors of ran_deploy/serving/errors.py; anything else, and
any logits that are not the bare session's, fail the run.
"""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from result_file import ResultFile
from served_process import HttpHost, server_process

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import GateError, RanDeployError
from ran_deploy.files import require_file
from ran_deploy.manifest import manifest_path
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import open_engine
from ran_deploy.serving.errors import DeadlineError, QueueFullError, ServingError
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.spec import HostOptions, ModelSpec

POOL = 64
"""Different images."""
LARGEST = 5
"""Most images in a request."""
NAME = "model"


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Soak the serving core with requests, a reload and a killed worker.")
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--second", type=Path, help="the engine that takes over at the reload; else the same again")
    parser.add_argument("--runtime", default="auto", help="what runs an .onnx file, as in ran-deploy serve")
    parser.add_argument("--http", action="store_true", help="through ran-deploy serve and tritonclient, over HTTP")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=48, help="requests in flight")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, help="CPU threads of each worker; else the CPUs divided by the workers")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument(
        "--queue", type=int, default=112, help="images; smaller than the clients' most, so that some are refused"
    )
    parser.add_argument("--tight", type=float, default=0.02, help="share of the requests with a deadline of 5 ms")
    parser.add_argument(
        "--tolerance", type=float, default=1e-3, help="most that a logit may differ from the bare session's"
    )
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def reference(engine: Path, options: argparse.Namespace) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Return the images, and the bare session's logits of each."""
    with open_engine(engine, runtime=options.runtime, threads=options.threads) as session:
        contract = session.contract
        images = to_engine_input(generated_images(POOL, contract.preprocessing.size), contract)
        return images, np.concatenate([session.run(images[place : place + 1]) for place in range(POOL)])


class Soak:
    """The clients, and what became of their requests."""

    def __init__(self, options: argparse.Namespace, engine: Path) -> None:
        self._options = options
        self._engine = engine
        self._second = options.second or options.engine
        self._images, self._first_logits = reference(options.engine, options)
        self._second_logits = reference(self._second, options)[1]
        self._reloaded = False
        self._asked = 0
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.events: list[dict[str, Any]] = []

    async def run(self) -> float:
        """Send all requests; return the seconds that it took."""
        options = self._options
        spec = ModelSpec(name=NAME, path=self._engine, runtime=options.runtime, threads=options.threads)
        served = HostOptions(workers=options.workers, max_batch=options.max_batch, queue=options.queue)
        async with ModelHost([spec], served) as host:
            seconds = await self._send_all(host)
            await host.drain()
            self._note("end", workers=len(host.workers(NAME)), sha256=host.metadata(NAME).sha256)
        return seconds

    async def run_over_http(self) -> float:
        """Send all requests to a server of its own; return the seconds that it took."""
        options = self._options
        names = ("runtime", "workers", "threads", "max_batch", "queue")
        served = {name.replace("_", "-"): getattr(options, name) for name in names}
        with server_process(self._engine, served) as server:
            async with HttpHost(server, options.clients + 1).connected() as host:
                seconds = await self._send_all(host)
                self._note("end", workers=len(host.workers(NAME)), sha256=await host.sha256(NAME))
        return seconds

    async def _send_all(self, host: ModelHost | HttpHost) -> float:
        begun = time.perf_counter()
        with Progress("soak", self._options.requests, "requests") as progress:
            disturbing = asyncio.ensure_future(self._disturb(host))
            await asyncio.gather(*(self._client(host, progress) for _ in range(self._options.clients)))
            await disturbing
        return time.perf_counter() - begun

    async def _client(self, host: ModelHost | HttpHost, progress: Progress) -> None:
        while self._asked < self._options.requests:
            place = self._asked
            self._asked += 1
            rng = np.random.default_rng(place)
            chosen = rng.integers(0, POOL, rng.integers(1, LARGEST + 1))
            tight = rng.random() < self._options.tight
            after = self._reloaded
            try:
                logits = await host.infer(
                    NAME, None, self._images[chosen], deadline=time.monotonic() + 0.005 if tight else None
                )
            except ServingError as error:
                self.outcomes[f"refused: {error.http_status} {type(error).__name__}"] += 1
                expected = isinstance(error, QueueFullError) or (tight and isinstance(error, DeadlineError))
                if not expected:
                    self.wrong.append(f"request {place}: {error.message}")
                await asyncio.sleep(0.1)  # as a client would that is told to try again later
            except Exception as error:  # whatever it is, it is what this looks for
                self.outcomes["failed"] += 1
                self.wrong.append(f"request {place}: {type(error).__name__}: {error}")
            else:
                self._check(place, chosen, logits, after=after)
            progress.advance(1)

    def _check(self, place: int, chosen: npt.NDArray[Any], logits: npt.NDArray[np.float32], *, after: bool) -> None:
        """Compare with the bare session's logits: the second engine's for what was asked after the reload."""
        allowed = [self._second_logits] if after else [self._first_logits, self._second_logits]
        differences = [
            float(np.abs(logits - one[chosen]).max()) if logits.shape == one[chosen].shape else np.inf
            for one in allowed
        ]
        if min(differences) <= self._options.tolerance:
            self.outcomes["right"] += 1
        else:
            self.outcomes["wrong"] += 1
            self.wrong.append(f"request {place}: off by {min(differences):g}")

    async def _disturb(self, host: ModelHost | HttpHost) -> None:
        """Reload after a third of the requests, and kill a worker after two thirds."""
        await self._until(self._options.requests // 3)
        install(self._second, self._engine)
        self._note("reload begins")
        await host.reload(NAME)
        self._reloaded = True
        self._note("reload ended")
        await self._until(2 * self._options.requests // 3)
        victim = host.workers(NAME)[0]
        os.kill(victim, signal.SIGKILL)
        self._note("worker killed")
        while len(host.workers(NAME)) < self._options.workers or victim in host.workers(NAME):
            await asyncio.sleep(0.01)
        self._note("worker replaced")

    async def _until(self, asked: int) -> None:
        while self._asked < asked:
            await asyncio.sleep(0.001)

    def _note(self, what: str, **more: Any) -> None:
        self.events.append({"event": what, "requests_sent": self._asked, **more})


def install(engine: Path, target: Path) -> None:
    """Put an engine and its manifest where another one is served from."""
    for source, final in ((manifest_path(engine), manifest_path(target)), (engine, target)):
        copy = final.with_name(f"{final.name}.new")
        shutil.copyfile(source, copy)
        copy.replace(final)


def main(words: list[str]) -> int:
    """Soak, write the result and print it; 3 if an answer was wrong or undocumented."""
    options = arguments(words)
    result_file = ResultFile("serving_soak", options)
    logging.getLogger("ran_deploy.serving").setLevel(logging.ERROR)  # the kill is on purpose
    try:
        for engine in filter(None, (options.engine, options.second)):
            require_file(manifest_path(engine), what="manifest", fix="Export the engine with ran-deploy.")
        result_file.check()
        environment = read_environment()
        with tempfile.TemporaryDirectory(prefix="ran-deploy-soak-") as folder:
            engine = Path(folder) / f"served{options.engine.suffix}"
            install(options.engine, engine)
            soak = Soak(options, engine)
            seconds = asyncio.run(soak.run_over_http() if options.http else soak.run())
        document = {
            "environment": to_mapping(environment),
            "seconds": seconds,
            "outcomes": dict(sorted(soak.outcomes.items())),
            "events": soak.events,
            "wrong": soak.wrong[:100],
            "passed": not soak.wrong and sum(soak.outcomes.values()) == options.requests,
        }
        result_file.write(document)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"{options.requests:,} requests in {seconds:.1f} s\n")
    for outcome, count in sorted(soak.outcomes.items()):
        sys.stdout.write(f"{count:>7,}  {outcome}\n")
    for event in soak.events:
        sys.stdout.write(f"after {event['requests_sent']:>6,}: {event['event']}\n")
    for line in soak.wrong[:10]:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write(f"{result_file.path}\n")
    return 0 if document["passed"] else GateError.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
