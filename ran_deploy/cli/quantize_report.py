"""What ``ran-deploy quantize`` says of the model that it made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ran_deploy.cli.output import emit, note

if TYPE_CHECKING:
    from ran_deploy.quant.quantize import QuantizeResult

_SOURCES = {"images": "given", "generated": "generated", "calibration": "calibration"}


def print_quantized(result: "QuantizeResult", *, as_json: bool) -> None:
    """Print the result: data on stdout, remarks on stderr."""
    for remark in _remarks(result):
        note(remark)
    emit(result, "quantize/v1", as_json=as_json, lines=list(_lines(result)))


def _remarks(result: "QuantizeResult") -> Iterator[str]:
    found, auto = result.manifest.precision, (result.manifest.calibration or {}).get("auto", {})
    if result.reused:
        yield f"{result.path} was made from the same inputs already; it is used again"
    elif found.kept:
        why = "in float32, for their range" if found.asked == "fp16" else "in float"
        yield f"left {why}: {', '.join(found.kept)}"
    for trial in auto.get("trials", ()):
        yield (
            f"{'held' if trial['passed'] else 'failed'} with {trial['given_back']} groups in float: {trial['finding']}"
        )
    if groups := auto.get("groups"):
        yield f"groups left in float: {', '.join(groups)}"


def _lines(result: "QuantizeResult") -> Iterator[str]:
    found, parity, ranges = result.manifest.precision, result.parity, result.manifest.calibration
    obtained = ", ".join(f"{count} {name}" for name, count in found.obtained.items())
    yield f"{result.path}  {result.manifest.size_bytes / 1e6:.1f} MB"
    yield f"precision  {found.asked} asked for; convolutions and classifier: {obtained}"
    if ranges is not None:
        where = f"from {ranges['file']}, " if "file" in ranges else ""
        yield (
            f"ranges     {where}{ranges['method']} on {ranges['count']:,} {ranges['split']}ing images of "
            f"{ranges['dataset']}"
        )
    yield (
        f"parity     on {parity['images']} {_SOURCES[parity['source']]} images: "
        f"max abs {parity['max_abs']:.2g}, SQNR {parity['sqnr_db']:.1f} dB, "
        f"top-1 agreement {100 * parity['top1_agreement']:.1f}%"
    )
    if accuracy := result.manifest.accuracy:
        low, high = accuracy["difference_ci95"]
        yield (
            f"accuracy   {accuracy['candidate_top1']:.2f}% against {accuracy['reference_top1']:.2f}% in float32 on "
            f"{accuracy['samples']:,} test images: {accuracy['difference_points']:+.2f} points "
            f"(95% interval {low:+.2f} to {high:+.2f})"
        )
        yield f"gate       {accuracy['gate']['summary']}"
    masks = bool(result.manifest.contract.masks)  # a plan does not carry them
    yield f"next       ran-deploy {f'explain --engine {result.path} IMAGE' if masks else f'build --onnx {result.path}'}"
