// The little of the CUDA runtime that the TensorRT back end needs, owned.
#pragma once

#include <cstddef>
#include <string>

#include <cuda_runtime_api.h>

#include "failure.h"

namespace rd {

inline void check_cuda(cudaError_t error, const char* what) {
    if (error != cudaSuccess) throw Failure{RAN_INTERNAL, std::string(what) + " failed: " + cudaGetErrorString(error) + ".", ""};
}

// Memory of the GPU that grows to the largest size asked for.
class DeviceBuffer {
  public:
    DeviceBuffer() = default;
    DeviceBuffer(const DeviceBuffer&) = delete;
    DeviceBuffer& operator=(const DeviceBuffer&) = delete;
    ~DeviceBuffer() { cudaFree(address_); }

    void* reserve(std::size_t bytes) {
        if (bytes > bytes_) {
            cudaFree(address_);
            address_ = nullptr;
            bytes_ = 0;
            if (cudaMalloc(&address_, bytes) != cudaSuccess) {
                address_ = nullptr;
                missing("The GPU has no " + std::to_string(bytes) + " bytes left.", "Use smaller batches.");
            }
            bytes_ = bytes;
        }
        return address_;
    }

  private:
    void* address_ = nullptr;
    std::size_t bytes_ = 0;
};

class Stream {
  public:
    Stream() { check_cuda(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "Making a CUDA stream"); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { cudaStreamDestroy(handle_); }

    cudaStream_t get() const { return handle_; }
    void wait() const { check_cuda(cudaStreamSynchronize(handle_), "Waiting for the GPU"); }

  private:
    cudaStream_t handle_ = nullptr;
};

}  // namespace rd
