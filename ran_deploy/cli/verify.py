"""``ran-deploy verify``: whether two engines answer alike."""

from pathlib import Path
from typing import Annotated

import typer

from ran_deploy.cli.output import JsonFlag, emit

EPILOG = "Example: ran-deploy verify att92.onnx att92_fp16.onnx --dataset cifar10 --data DIR"


def verify_command(
    a: Annotated[Path, typer.Argument(help="The reference engine.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="The engine to compare with it.", metavar="B")],
    data: Annotated[Path | None, typer.Option(help="A folder of images, or of --dataset.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Use the test split of this dataset.")] = None,
    limit: Annotated[int, typer.Option(help="Largest number of images.")] = 1000,
    atol: Annotated[float | None, typer.Option(help="Largest difference of a logit (default: by precision).")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Open engines that have no manifest.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run two engines on the same images and compare their logits; exit code 3 where they differ."""
    from ran_deploy.graph.verify import verify_engines

    result = verify_engines(a, b, data=data, dataset=dataset, limit=limit, atol=atol, trust=trust)
    metrics = result.metrics
    lines = [
        f"alike on {metrics.images} {result.source}: {result.tolerance.text()}",
        f"max abs {metrics.max_abs:.3g}   max rel {metrics.max_rel:.3g}   SQNR {metrics.sqnr_db:.1f} dB   "
        f"cosine ≥ {metrics.cosine_min:.6f}",
        f"top-1 agreement {100 * metrics.top1_agreement:.2f}%, {metrics.flips} flips"
        + (f" with margins up to {metrics.largest_flip_margin:.3g}" if metrics.flips else ""),
    ]
    emit(result, "verify/v1", as_json=as_json, lines=lines)
