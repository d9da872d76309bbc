"""``verify_engines``: two engines on the same images, and whether they answer alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.dataset import Images
from ran_deploy.data.open import open_dataset
from ran_deploy.data.preprocess import find_images, load_images
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import GateError, UsageError
from ran_deploy.graph.blame import blame
from ran_deploy.graph.parity import ParityMetrics, compare_logits
from ran_deploy.graph.tolerance import Tolerance, check_atol, tolerance_for
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive, raw_logits
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Session

_BATCH = 32
_GENERATED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """The comparison of two engines."""

    a: str
    b: str
    source: str
    """The images that both were run on."""
    tolerance: Tolerance
    metrics: ParityMetrics
    passed: bool


def verify_engines(
    a: Path,
    b: Path,
    *,
    data: Path | None = None,
    dataset: str | None = None,
    limit: int = 1000,
    atol: float | None = None,
    trust: bool = False,
) -> VerifyResult:
    """Run two engines on the same images and compare their logits; ``a`` is the reference.

    The tolerance follows the lower of the two precisions that the manifests ask for. float32: every logit within
    1e-4 and every class the same, but for ties within twice that. float16: every logit within 5e-2 and 99.5% of the
    classes. INT8: 98% of the classes. Of few images, one class may differ in the last two.

    Args:
        a: The reference engine.
        b: The engine to compare with it.
        data: A folder of images, or a dataset's folder together with ``dataset``; None: generated images.
        dataset: A dataset of the catalog, whose test split is used.
        limit: Largest number of images.
        atol: Overrides the largest difference of a logit.
        trust: Open engines that have no manifest.

    Raises:
        UsageError: The engines take other sizes or have other classes; wrong paths or names.
        IntegrityError: A damaged engine, manifest or image.
        GateError: The engines differ by more than the tolerance; the details hold the metrics and, for two ONNX files,
            the first and the worst node.
    """
    check_positive("limit", limit)
    check_atol(atol)
    with open_engine(a, trust=trust) as first, open_engine(b, trust=trust) as second:
        _check_comparable(a, first, b, second)
        tolerance = tolerance_for((_asked(first), _asked(second)), atol)
        source, total, images = _images(first, data, dataset, limit)
        expected, actual, shown = [], [], None
        with Progress("verify", total, "images") as progress:
            for batch in images:
                shown = batch if shown is None else shown
                expected.append(raw_logits(first, batch))
                actual.append(raw_logits(second, batch))
                progress.advance(len(batch))
        metrics = compare_logits(np.concatenate(expected), np.concatenate(actual))
        passed = tolerance.holds(metrics)
        nodes = blame(a, first, b, second, shown) if shown is not None and not passed else None
    result = VerifyResult(a=str(a), b=str(b), source=source, tolerance=tolerance, metrics=metrics, passed=passed)
    if not passed:
        culprit = "" if nodes is None else f" {nodes.text()}."
        raise GateError(
            f"{a} and {b} differ on {metrics.images} {source}: max abs {metrics.max_abs:.3g}, top-1 agreement "
            f"{100 * metrics.top1_agreement:.2f}%, {metrics.not_finite} not finite; expected {tolerance.text()}."
            f"{culprit}",
            fix="Make the second engine again from the first, or set --atol to what you can accept.",
            details={**to_mapping(result), "nodes": to_mapping(nodes)},
        )
    return result


def _check_comparable(a: Path, first: Session, b: Path, second: Session) -> None:
    rules = [
        (session.contract.preprocessing.size, session.contract.preprocessing.resize) for session in (first, second)
    ]
    if rules[0] != rules[1]:
        raise UsageError(
            f"{a} takes images of {rules[0][0]} pixels and {b} of {rules[1][0]}, or they are resized differently.",
            fix="Compare engines of the same network and dataset.",
        )
    classes = [len(session.contract.labels) for session in (first, second)]
    if classes[0] != classes[1]:
        raise UsageError(
            f"{a} has {classes[0]} classes and {b} has {classes[1]}.",
            fix="Compare engines of the same network and dataset.",
        )
    names = [() if _numbered(session.contract.labels) else session.contract.labels for session in (first, second)]
    if all(names) and names[0] != names[1]:
        raise UsageError(
            f"{a} knows the classes {_few(names[0])} and {b} {_few(names[1])}.",
            fix="Compare engines of the same dataset.",
        )


def _numbered(labels: tuple[str, ...]) -> bool:
    return labels == tuple(str(index) for index in range(len(labels)))


def _few(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:3]) + ("…" if len(labels) > 3 else "")


def _asked(session: Session) -> str:
    return "fp32" if session.manifest is None else session.manifest.precision.asked


def _images(session: Session, data: Path | None, dataset: str | None, limit: int) -> tuple[str, int, Iterator[Images]]:
    rule = session.contract.preprocessing
    if dataset is not None:
        info = dataset_info(dataset)
        if info.size != rule.size:
            raise UsageError(
                f"The images of {dataset} have {info.size} pixels; the engines take {rule.size}.",
                fix="Choose the dataset that the engines were made for, or give a folder of images.",
            )
        images = open_dataset(dataset, data, "test")
        total = min(limit, len(images))
        return f"test images of {dataset}", total, (images.batch(part) for part in _spread(len(images), total))
    if data is not None:
        files = find_images([data])
        total = min(limit, len(files))
        parts = ([files[index] for index in part] for part in _spread(len(files), total))
        return f"images of {data}", total, (load_images(part, rule) for part in parts)
    total = min(limit, _GENERATED)
    generated = generated_images(total, rule.size)
    return "generated images", total, (generated[part] for part in _spread(total, total))


def _spread(count: int, chosen: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield batches of ``chosen`` indices, evenly over ``count``: folders list one class after the other."""
    indices = np.linspace(0, count - 1, chosen).round().astype(np.int64)
    for start in range(0, chosen, _BATCH):
        yield indices[start : start + _BATCH]
