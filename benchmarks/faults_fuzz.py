"""Every reader of files that come from outside, fed with mutated ones: only our own errors may come out.

See benchmarks/README.md. read: it was still well-formed; refused: UsageError, IntegrityError or another of ours; fault:
any other exception, a crash of the process, or a case that computes for minutes.
"""

import argparse
import io
import json
import os
import pickle
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults_child import outcomes, scratch
from faults_mutate import mutated_bytes, mutated_document
from faults_stages import STAGES, prepare
from PIL import Image
from result_file import ResultFile

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.bench.environment import read_environment
from ran_deploy.config import read_toml, to_mapping
from ran_deploy.data.cifar import load_cifar
from ran_deploy.data.decode import decode_bytes
from ran_deploy.errors import RanDeployError
from ran_deploy.manifest import manifest_path, read_manifest
from ran_deploy.packaging.package import package
from ran_deploy.progress import Progress
from ran_deploy.quant.calibration_file import read_calibration_file
from ran_deploy.resources import models_folder, shipped_calibration
from ran_deploy.runtime.archive import extracted
from ran_deploy.runtime.open import open_engine
from ran_deploy.train.recipe import Recipe

_CHUNK = 2000
"""Cases of one child process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reader, and what it is fed."""

    name: str
    seeds: tuple[bytes, ...]
    """Well-formed files, to be mutated."""
    read: Callable[[bytes], object]
    share: float
    """Of all cases."""
    as_document: bool = False
    """Whether half of the mutations are of the JSON document."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of files.")
    parser.add_argument("--cases", type=int, default=100_000, help="of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="names of readers")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def readers(folder: Path, place: Path) -> list[Reader]:
    """Return all readers, with seeds from a folder in which every stage has run.

    Args:
        folder: The artefacts.
        place: Where the cases are written; in memory, if the machine has such a folder.
    """
    model, engine = folder / "a.onnx", place / "case.onnx"
    checkpoint = next(folder.glob("*.safetensors"))
    archive = folder / "a.ran"
    package([model], archive, format="archive")
    shipped = shipped_calibration("att92", "cifar10")
    assert shipped is not None  # noqa: S101
    described = json.loads(manifest_path(model).read_text())
    del described["digest"]
    recipes = sorted(models_folder().glob("*.toml"))

    def manifest(content: bytes) -> object:
        scratch(place, manifest_path(engine).name, content)
        return read_manifest(engine)

    def onnx(content: bytes) -> object:
        path = scratch(place, "bare.onnx", content)
        with open_engine(path, threads=1, trust=True) as session:
            return session.contract

    def inside(content: bytes) -> object:
        with extracted(scratch(place, "case.ran", content)) as found:
            return found

    def cifar(name: str) -> Callable[[bytes], object]:
        home = place / name
        home.mkdir(exist_ok=True)
        return lambda content: _cifar(home, name, content)

    return [
        Reader(
            name="manifest",
            seeds=(json.dumps(described).encode(), manifest_path(checkpoint).read_bytes()),
            read=manifest,
            share=0.3,
            as_document=True,
        ),
        Reader(
            name="recipe",
            seeds=tuple(path.read_bytes() for path in recipes),
            read=lambda content: read_toml(Recipe, scratch(place, "case.toml", content)),
            share=0.25,
        ),
        Reader(
            name="checkpoint",
            seeds=(checkpoint.read_bytes(),),
            read=lambda content: load_checkpoint(scratch(place, "case.safetensors", content)),
            share=0.02,
        ),
        Reader(
            name="calibration",
            seeds=(shipped.read_bytes(),),
            read=lambda content: read_calibration_file(scratch(place, "case.json", content)),
            share=0.02,
            as_document=True,
        ),
        Reader(name="onnx", seeds=(model.read_bytes(),), read=onnx, share=0.005),
        Reader(name="archive", seeds=(archive.read_bytes(),), read=inside, share=0.05),
        Reader(name="cifar-binary", seeds=(_binary(),), read=cifar("binary"), share=0.1),
        Reader(name="cifar-pickle", seeds=_pickles(), read=cifar("python"), share=0.1),
        Reader(name="images", seeds=_pictures(), read=lambda content: decode_bytes(content, "case"), share=0.155),
    ]


def _binary() -> bytes:
    rows = np.random.default_rng(0).integers(0, 256, (3, 3073), np.uint8)
    rows[:, 0] = (1, 5, 9)
    return rows.tobytes()


def _pickles() -> tuple[bytes, ...]:
    pixels = np.zeros((2, 3072), np.uint8)
    batch = {b"data": pixels, b"labels": [1, 9], b"batch_label": b"x", b"filenames": [b"a", b"b"]}
    return tuple(pickle.dumps(batch, protocol) for protocol in (2, 4, 5))


def _cifar(home: Path, layout: str, content: bytes) -> object:
    """Feed a case as the test split; the other files of the layout are whole."""
    folder = home / ("cifar-10-batches-bin" if layout == "binary" else "cifar-10-batches-py")
    suffix = ".bin" if layout == "binary" else ""
    if not folder.is_dir():
        folder.mkdir()
        for number in range(1, 6):
            (folder / f"data_batch_{number}{suffix}").touch()
        names = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
        if suffix:
            (folder / "batches.meta.txt").write_bytes(b"\n".join(names))
        else:
            (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, 2))
    (folder / f"test_batch{suffix}").write_bytes(content)
    return load_cifar("cifar10", home, "test")


def _pictures() -> tuple[bytes, ...]:
    picture = Image.effect_noise((24, 20), 60).convert("RGB")
    found = []
    for kind, options in (
        ("JPEG", {"quality": 80}),
        ("JPEG", {"quality": 60, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("PPM", {}),
    ):
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        found.append(stream.getvalue())
    return tuple(found)


def case(reader: Reader, number: int, seed: int) -> bytes:
    """Return one case; it depends on the reader's name, its number and the seed alone."""
    source = random.Random(f"{seed} {reader.name} {number}")  # noqa: S311  # not for secrets
    content = source.choice(reader.seeds)
    if reader.as_document and number % 2:
        return json.dumps(mutated_document(json.loads(content), source)).encode()
    return mutated_bytes(content, source)


def judge(reader: Reader, content: bytes) -> str:
    """Say what a case came to."""
    try:
        reader.read(content)
    except RanDeployError as error:
        return "refused" if error.exit_code != 1 else f"fault: {error.message}"
    except BaseException as error:
        return f"fault: {type(error).__name__}: {error}"
    return "read"


def main(words: list[str]) -> int:
    """Feed all cases, write the result and print it; 3 if there was a fault."""
    options = arguments(words)
    result_file = ResultFile("faults_fuzz", options)
    result_file.check()
    found: list[dict[str, Any]] = []
    memory = Path("/dev/shm")  # noqa: S108  # each run makes a folder of its own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        os.environ["RAN_DEPLOY_CACHE"] = str(Path(place) / "cache")
        folder = prepare(STAGES["quantize"], Path(place) / "all")
        (Path(place) / "cases").mkdir()
        for reader in readers(folder, Path(place) / "cases"):
            if options.only and reader.name not in options.only:
                continue
            for seed in reader.seeds:
                reader.read(seed)  # what is whole must be read, or its mutations say nothing
            total, counts, faults, begun = round(options.cases * reader.share), Counter[str](), [], time.monotonic()
            with Progress(f"fuzz {reader.name}", total, "cases") as progress:
                for start in range(0, total, _CHUNK):
                    numbers = range(start, min(start + _CHUNK, total))
                    judged = outcomes(numbers, lambda number, r=reader: judge(r, case(r, number, options.seed)))
                    for number, outcome in judged:
                        label = outcome.partition(":")[0]
                        counts["fault" if label == "crash" else label] += 1
                        if label not in ("read", "refused"):
                            faults.append(f"{reader.name} {number}: {outcome}")
                    progress.advance(len(numbers))
            elapsed_s = round(time.monotonic() - begun, 1)
            found.append(
                {"reader": reader.name, "cases": total, **counts, "elapsed_s": elapsed_s, "faults": faults[:50]}
            )
    result_file.write({"environment": to_mapping(read_environment()), "readers": found})
    for entry in found:
        numbers = ", ".join(f"{entry.get(key, 0):,} {key}" for key in ("read", "refused", "fault"))
        sys.stdout.write(
            f"{entry['reader']:14s} {entry['cases']:>9,} cases in {entry['elapsed_s']:>7.1f} s: {numbers}\n"
        )
    faults = [fault for entry in found for fault in entry["faults"]]
    sys.stdout.write("\n".join([*faults, f"written to {result_file.path}"]) + "\n")
    return 3 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
