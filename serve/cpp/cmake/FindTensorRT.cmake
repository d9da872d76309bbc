# TensorRT or TensorRT-RTX, and which of the two.
#
# Reads   TENSORRT_ROOT (variable or environment): folder with include/ and perhaps lib/
#         TENSORRT_LIBRARY: libnvinfer or libtensorrt_rtx, such as the one in the Python package tensorrt-rtx
#         CUDART_ROOT: folder with include/cuda_runtime_api.h and lib/libcudart, if not the CUDA toolkit
# Sets    TensorRT_FOUND, TensorRT_FLAVOUR (tensorrt | tensorrt-rtx), TensorRT_VERSION (of the headers),
#         TensorRT_REASON (why it was not found), and the target TensorRT::TensorRT

include(${CMAKE_CURRENT_LIST_DIR}/PythonPackage.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/TensorRTFlavour.cmake)

set(TensorRT_FOUND FALSE)
set(TensorRT_REASON "")
set(roots ${TENSORRT_ROOT} $ENV{TENSORRT_ROOT})
find_path(TENSORRT_INCLUDE NvInferRuntime.h HINTS ${roots} PATH_SUFFIXES include)
if(NOT TENSORRT_INCLUDE)
  set(TensorRT_REASON "NvInferRuntime.h was not found; set TENSORRT_ROOT to the folder that holds include/")
  return()
endif()

set(names nvinfer tensorrt_rtx)
foreach(soname libnvinfer.so.12 libnvinfer.so.11 libnvinfer.so.10 libtensorrt_rtx.so.1)
  list(APPEND names ${soname})
endforeach()
ran_deploy_python_files(from_python tensorrt_rtx_libs "libtensorrt_rtx.so*")
find_library(TENSORRT_LIBRARY NAMES ${names} HINTS ${roots} PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu)
if(NOT TENSORRT_LIBRARY AND from_python)
  set(TENSORRT_LIBRARY ${from_python} CACHE FILEPATH "libnvinfer or libtensorrt_rtx" FORCE)
endif()
if(NOT TENSORRT_LIBRARY)
  set(TensorRT_REASON "neither libnvinfer nor libtensorrt_rtx was found; set TENSORRT_LIBRARY")
  return()
endif()

ran_deploy_tensorrt_flavour(TensorRT_FLAVOUR TensorRT_VERSION ${TENSORRT_INCLUDE} ${TENSORRT_LIBRARY})

find_package(CUDAToolkit QUIET)
find_path(CUDART_INCLUDE cuda_runtime_api.h HINTS ${CUDART_ROOT} ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include)
find_library(CUDART_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 HINTS ${CUDART_ROOT} ${CUDAToolkit_LIBRARY_DIR}
  PATH_SUFFIXES lib lib64)
if(NOT CUDART_INCLUDE OR NOT CUDART_LIBRARY)
  set(TensorRT_REASON "cuda_runtime_api.h or libcudart was not found; install the CUDA toolkit or set CUDART_ROOT")
  return()
endif()

set(TensorRT_FOUND TRUE)
if(NOT TARGET TensorRT::TensorRT)
  add_library(TensorRT::cudart SHARED IMPORTED)
  set_target_properties(TensorRT::cudart PROPERTIES IMPORTED_LOCATION ${CUDART_LIBRARY})
  add_library(TensorRT::TensorRT SHARED IMPORTED)
  set_target_properties(TensorRT::TensorRT PROPERTIES
    IMPORTED_LOCATION ${TENSORRT_LIBRARY} INTERFACE_LINK_LIBRARIES TensorRT::cudart
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE};${CUDART_INCLUDE}"
    INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE};${CUDART_INCLUDE}")
endif()
