"""Engines in worker processes under any asyncio program; run it with python workers.py att92.onnx image.jpg."""

import asyncio
import sys
from pathlib import Path

from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.spec import HostOptions, ModelSpec


async def main(engine: str, files: list[Path]) -> None:
    """Classify all images at once; the host gathers them into batches and replaces workers that die."""
    spec = ModelSpec.parse(engine)
    async with ModelHost([spec], HostOptions(workers=2, max_batch=16)) as host:
        asked = [host.classify(spec.name, None, [file.read_bytes()], top=1) for file in files]
        for file, found in zip(files, await asyncio.gather(*asked), strict=True):
            (best,) = found.predictions[0]
            sys.stdout.write(f"{file}: {best.label} {best.probability:.1%}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
