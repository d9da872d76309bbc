"""How much two models' logits differ: absolute, relative and directional metrics, and the answers that flip."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError

SQNR_CAP_DB = 300.0
"""Stands for outputs that are equal in every bit, whose ratio to the noise is infinite."""
_RELATIVE_FLOOR = 1e-2
_LISTED_FLIPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image whose top-1 class differs."""

    index: int
    """Position of the image."""
    reference_class: int
    candidate_class: int
    margin: float
    """By how much the reference preferred its class over the candidate's, in logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityMetrics:
    """Differences between a reference's and a candidate's logits, over the images with finite logits."""

    images: int
    not_finite: int
    """Images for which either model gave infinity or NaN; they count as disagreements."""
    max_abs: float
    """Largest absolute difference of a logit."""
    max_rel: float
    """Largest difference relative to the reference's logit, which counts as at least 0.01."""
    cosine_min: float
    """Smallest cosine similarity of an image's two logit vectors."""
    cosine_mean: float
    sqnr_db: float
    """Power of the reference's logits over that of the difference, in decibels, at most 300."""
    top1_agreement: float
    """Fraction of images with the same top-1 class."""
    flips: int
    """Images whose top-1 class differs."""
    largest_flip_margin: float
    """The largest margin of a flip, in logits; 0 without flips."""
    first_flips: tuple[Flip, ...]
    """The first twenty flips."""


def compare_logits(reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32]) -> ParityMetrics:
    """Compare two arrays of logits [N, classes] of the same images.

    Raises:
        UsageError: The shapes differ, or there is no image.
    """
    if reference.shape != candidate.shape or reference.ndim != 2 or not len(reference):
        raise UsageError(
            f"Logits of the shapes {list(reference.shape)} and {list(candidate.shape)} cannot be compared; "
            "expected the same [images, classes].",
            fix="Compare two engines for the same images and classes.",
        )
    finite = np.isfinite(reference).all(axis=1) & np.isfinite(candidate).all(axis=1)
    expected, actual = reference[finite].astype(np.float64), candidate[finite].astype(np.float64)
    difference = np.abs(actual - expected)
    cosine = _cosine(expected, actual)
    flips = _flips(np.flatnonzero(finite), expected, actual)
    broken = int((~finite).sum())
    return ParityMetrics(
        images=len(reference),
        not_finite=broken,
        max_abs=float(difference.max(initial=0)),
        max_rel=float((difference / np.maximum(np.abs(expected), _RELATIVE_FLOOR)).max(initial=0)),
        cosine_min=float(cosine.min(initial=1)),
        cosine_mean=float(cosine.mean()) if cosine.size else 0.0,
        sqnr_db=sqnr_db(expected, difference),
        top1_agreement=1 - (len(flips) + broken) / len(reference),
        flips=len(flips),
        largest_flip_margin=max((flip.margin for flip in flips), default=0.0),
        first_flips=tuple(flips[:_LISTED_FLIPS]),
    )


def is_faithful(metrics: ParityMetrics, atol: float) -> bool:
    """Whether every logit is finite and within ``atol``, and no image flips but by a tie within 2·``atol``."""
    return metrics.not_finite == 0 and metrics.max_abs <= atol and metrics.largest_flip_margin <= 2 * atol


def _cosine(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    # Two zero vectors point the same way; one alone points nowhere.
    equal = (a == b).all(axis=1).astype(np.float64)
    ratio: npt.NDArray[np.float64] = np.where(norms > 0, (a * b).sum(axis=1) / np.where(norms > 0, norms, 1), equal)
    return ratio


def sqnr_db(expected: npt.NDArray[np.float64], difference: npt.NDArray[np.float64]) -> float:
    """Return the power of ``expected`` over that of ``difference``, in decibels, within ±:data:`SQNR_CAP_DB`."""
    signal, noise = float((expected**2).sum()), float((difference**2).sum())
    if noise == 0:
        return SQNR_CAP_DB if expected.size else 0.0
    return float(np.clip(10 * np.log10(max(signal, 1e-30) / noise), -SQNR_CAP_DB, SQNR_CAP_DB))


def _flips(
    indices: npt.NDArray[np.int64], expected: npt.NDArray[np.float64], actual: npt.NDArray[np.float64]
) -> list[Flip]:
    if not expected.size:
        return []
    first, second = expected.argmax(axis=1), actual.argmax(axis=1)
    return [
        Flip(
            index=int(indices[row]),
            reference_class=int(first[row]),
            candidate_class=int(second[row]),
            margin=float(expected[row, first[row]] - expected[row, second[row]]),
        )
        for row in np.flatnonzero(first != second)
    ]
