"""What a failure of CUDA is called."""

from ran_deploy.errors import MissingError, RanDeployError

NO_GPU = "Check the GPU and its driver with nvidia-smi, or use the .onnx file on the CPU."


def cuda_failure(what: str, reason: str) -> RanDeployError:
    """Return the error for something that CUDA could not do.

    Args:
        what: What was tried, such as "launch a CUDA graph".
        reason: What CUDA or its package says, such as "CUDA_ERROR_OUT_OF_MEMORY".
    """
    said = " ".join(reason.split())[:300]
    if "out_of_memory" in said.lower().replace(" ", "_"):
        return MissingError(
            f"There is too little free memory to {what}.",
            fix="Close other programs that use the GPU (see nvidia-smi), or build a plan for a smaller --max-batch.",
        )
    return RanDeployError(
        f"CUDA could not {what}: {said}.",
        fix="Check the GPU and its driver with nvidia-smi, and report it if both work.",
    )
