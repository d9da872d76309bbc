"""Two ONNX engines that failed a comparison: which node is to blame, where that can be said."""

from pathlib import Path

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.errors import RanDeployError
from ran_deploy.graph.bisect import BisectResult, bisect
from ran_deploy.manifest import DYNAMIC
from ran_deploy.runtime.onnx_file import load_onnx
from ran_deploy.runtime.session import Session

MOST_IMAGES = 16
"""Enough for small images, whose activations show every node's error; of large ones a quarter."""
_SMALL_PIXELS = 64


def blame(a: Path, first: Session, b: Path, second: Session, images: Images) -> BisectResult | None:
    """Return where two engines differ; None where that cannot be told.

    It cannot for engines that are not both ONNX files, take other inputs, or are not two forms of one network: the
    answer is an addition to a refusal, so that nothing here raises an error of its own.

    Args:
        a: The reference's file.
        first: Its session.
        b: The candidate's file.
        second: Its session.
        images: Some of the images that both were compared on, uint8 [n, H, W, 3].
    """
    ours, theirs = first.contract.input, second.contract.input
    if {a.suffix, b.suffix} != {".onnx"} or (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return None
    most = MOST_IMAGES if first.contract.preprocessing.size <= _SMALL_PIXELS else MOST_IMAGES // 4
    count = most if ours.shape[0] == DYNAMIC else ours.shape[0]
    if ours.shape[0] not in (DYNAMIC, len(images[:count])):
        return None
    try:
        return bisect(load_onnx(a), load_onnx(b), to_engine_input(images[:count], first.contract))
    except RanDeployError:
        return None
