"""Every artefact, cut at many lengths and with many flipped bits: what each reader makes of it.

See benchmarks/README.md. refused: one of our errors; harmless: read, and the answer is the same; wrong: read, and it is
another one; crash: the process ended, or an exception that is not ours. An engine opened with ``trust`` has nothing to
vouch for it, so that another answer cannot be known there, and only crashes count.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults_child import outcomes
from faults_stages import ARCH, DATASET, RECIPE, SMALL, STAGES, prepare
from result_file import ResultFile

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import read_toml, to_mapping
from ran_deploy.errors import RanDeployError
from ran_deploy.manifest import manifest_path, verified_manifest
from ran_deploy.packaging.package import package
from ran_deploy.progress import Progress
from ran_deploy.quant.calibration_file import read_calibration_file
from ran_deploy.resources import models_folder, shipped_calibration
from ran_deploy.runtime.open import open_engine
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.run import train_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file, and what its reader answers."""

    name: str
    path: Path
    """The file that is damaged."""
    answer: Callable[[], str]
    """Reads it (by its path) and says what it holds."""
    vouched: bool = True
    """Whether something says what the file must be."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Cut every artefact and flip its bits.")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def logits(path: Path, *, trust: bool = False) -> Callable[[], str]:
    """Return a reader: an engine's answer to fixed images, by all that decides what it means."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)

    def answer() -> str:
        with open_engine(path, threads=1, trust=trust) as session:
            return f"{session.run(images).tobytes().hex()} {session.contract}"

    return answer


def _resumed(folder: Path) -> str:
    """The answer of a run that was taken up at its end, without the files that it writes."""
    result = train_network(
        ARCH, dataset=DATASET, data=None, out=folder, recipe=RECIPE, images=64, options=SMALL, resume=True
    )
    return result.manifest.sha256


def targets(folder: Path) -> list[Target]:
    """Return all artefacts of a folder in which every stage has run."""
    checkpoint, model, low = folder / f"{ARCH}_{DATASET}.safetensors", folder / "a.onnx", folder / "a_int8.onnx"
    plan, bare, archive = folder / "a_int8.plan", folder / "bare.onnx", folder / "a.ran"
    shutil.copy(low, bare)
    package([model], archive, format="archive")
    shipped = shipped_calibration("att92", "cifar10")
    assert shipped is not None  # noqa: S101
    calibration = Path(shutil.copy(shipped, folder / "c.json"))
    recipe = Path(shutil.copy(models_folder() / "att92_cifar10.toml", folder / "r.toml"))
    return [
        Target(name="checkpoint", path=checkpoint, answer=logits(checkpoint)),
        Target(name="its manifest", path=manifest_path(checkpoint), answer=logits(checkpoint)),
        Target(name="training state", path=folder / "state.safetensors", answer=lambda: _resumed(folder)),
        Target(name="ONNX", path=model, answer=logits(model)),
        Target(name="its manifest", path=manifest_path(model), answer=logits(model)),
        Target(name="INT8 ONNX", path=low, answer=logits(low)),
        Target(name="plan", path=plan, answer=lambda: str(verified_manifest(plan))),
        Target(name="its manifest", path=manifest_path(plan), answer=lambda: str(verified_manifest(plan))),
        Target(name="archive", path=archive, answer=logits(archive)),
        Target(name="calibration file", path=calibration, answer=lambda: str(read_calibration_file(calibration))),
        Target(name="recipe", path=recipe, answer=lambda: str(read_toml(Recipe, recipe)), vouched=False),
        Target(name="ONNX without a manifest", path=bare, answer=logits(bare, trust=True), vouched=False),
    ]


def damaged(content: bytes, cuts: int, flips: int, source: random.Random) -> list[tuple[str, int]]:
    """Return so many ways to damage a file: lengths spread over it, ends included, and random bits."""
    lengths = sorted({round(step * (len(content) - 1) / max(1, cuts - 1)) for step in range(cuts)})
    return [("cut", length) for length in lengths] + [
        ("flip", source.randrange(8 * len(content))) for _ in range(flips)
    ]


def judge(target: Target, content: bytes, whole: str, case: tuple[str, int]) -> str:
    """Damage the file, read it, and say what came of it; the file is whole again afterwards."""
    kind, place = case
    broken = bytearray(content[:place] if kind == "cut" else content)
    if kind == "flip":
        broken[place // 8] ^= 1 << place % 8
    folder = target.path.parent
    beside = {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path != target.path}
    target.path.write_bytes(broken)
    try:
        return "harmless" if target.answer() == whole else "wrong"
    except RanDeployError as error:
        return "refused" if error.exit_code != 1 else f"crash: {error.message}"
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}"
    finally:
        target.path.write_bytes(content)
        for path, before in beside.items():  # resuming writes the checkpoint anew
            path.write_bytes(before)


def main(words: list[str]) -> int:
    """Damage all artefacts, write the result and print it; 3 if one is read wrongly or crashes."""
    options = arguments(words)
    result_file = ResultFile("faults_damage", options)
    result_file.check()
    source = random.Random(options.seed)  # noqa: S311  # not for secrets
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["RAN_DEPLOY_CACHE"] = str(Path(place) / "cache")
        folder = prepare(STAGES["build"], Path(place) / "all")
        STAGES["build"].run(folder)
        for target in targets(folder):
            content, whole = target.path.read_bytes(), target.answer()
            cases = damaged(content, options.cuts, options.flips, source)
            counts: Counter[str] = Counter()
            notes = []
            with Progress(f"damage {target.name}", len(cases), "cases") as progress:
                for case, outcome in outcomes(cases, lambda case, t=target, c=content, w=whole: judge(t, c, w, case)):
                    label = outcome.partition(":")[0]
                    label = "another answer" if label == "wrong" and not target.vouched else label
                    counts[label] += 1
                    if label in ("wrong", "crash"):
                        notes.append(f"{target.path.name}, {case[0]} {case[1]}: {outcome}")
                    progress.advance(1)
            found.append(
                {"target": target.name, "file": target.path.name, "bytes": len(content), **counts, "notes": notes}
            )
    result_file.write({"environment": to_mapping(read_environment()), "targets": found})
    bad = [note for entry in found for note in entry["notes"]]
    for entry in found:
        counted = ", ".join(f"{entry[key]} {key}" for key in entry if isinstance(entry[key], int) and key != "bytes")
        sys.stdout.write(f"{entry['target']:24s} {entry['file']:40s} {counted}\n")
    sys.stdout.write("\n".join([*bad, f"written to {result_file.path}"]) + "\n")
    return 3 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
