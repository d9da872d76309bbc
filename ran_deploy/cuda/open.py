"""The GPU by the name of the package that drives it."""

from typing import Literal, get_args

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.errors import UsageError

CudaBackend = Literal["cuda-python", "pycuda"]
"""What drives the GPU: NVIDIA's cuda-core with cuda-bindings, or PyCUDA."""
CUDA_BACKENDS: tuple[CudaBackend, ...] = get_args(CudaBackend)


def open_device(backend: CudaBackend = "cuda-python") -> CudaDevice:
    """Open the first GPU that this process may use.

    Raises:
        UsageError: There is no backend of that name.
        MissingError: Its package or the driver is missing.
    """
    if backend == "cuda-python":
        from ran_deploy.cuda.cuda_python import CudaPythonDevice

        return CudaPythonDevice()
    if backend == "pycuda":
        from ran_deploy.cuda.pycuda import PycudaDevice

        return PycudaDevice()
    raise UsageError(f"The CUDA backend is {backend!r}; expected one of {', '.join(CUDA_BACKENDS)}.")
