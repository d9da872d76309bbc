"""What a session leaves out of the figures that are measured on it."""

from ran_deploy.runtime.session import SessionInfo


def caveats(info: SessionInfo) -> tuple[str, ...]:
    """Return what a reader of an accuracy or a latency must know about the session that gave it, in words.

    ONNX Runtime's CPU provider has hardly any float16 kernels: it puts casts around them and computes in float32
    (its ``InsertCastTransformer``).
    """
    halves = "fp16" in info.precision.split("+")
    if info.runtime == "onnxruntime" and info.provider == "CPUExecutionProvider" and halves:
        return (
            f"ONNX Runtime's CPU provider computes the float16 of {info.engine} in float32: neither the rounding nor "
            "the speed of float16 is in these figures.",
        )
    return ()
