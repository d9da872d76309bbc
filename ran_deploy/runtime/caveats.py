"""What a session leaves out of the figures that are measured on it."""

from ran_deploy.runtime.cpu import INT8_DOT, cpu_features
from ran_deploy.runtime.session import SessionInfo


def caveats(info: SessionInfo, features: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return what a reader of an accuracy or a latency must know about the session that gave it, in words.

    ONNX Runtime's CPU provider has hardly any float16 kernels: it puts casts around them and computes in float32
    (its ``InsertCastTransformer``). OpenVINO's INT8 kernels (oneDNN) add up pairs of products in 16 bits on x86
    without VNNI, and saturate: oneDNN's documentation, "Nuances of int8 computations".

    Args:
        info: The session's.
        features: The CPU's instruction sets; None: those of this machine.
    """
    halves = "fp16" in info.precision.split("+")
    if info.runtime == "onnxruntime" and info.provider == "CPUExecutionProvider" and halves:
        return (
            f"ONNX Runtime's CPU provider computes the float16 of {info.engine} in float32: neither the rounding nor "
            "the speed of float16 is in these figures.",
        )
    known = cpu_features() if features is None else features
    if info.runtime == "openvino" and "int8" in info.precision and "avx2" in known and not set(known) & set(INT8_DOT):
        return (
            "This CPU has no VNNI: OpenVINO adds up the INT8 products of full 8-bit weights in 16 bits, which may "
            "saturate and cost accuracy here, though not on other machines. Use ONNX Runtime, or a file made with: "
            "ran-deploy quantize --reduce-range",
        )
    return ()
