# TensorRT or TensorRT-RTX, and which of the two.
#
# Reads   TENSORRT_ROOT (variable or environment): folder with include/ and perhaps lib/
#         TENSORRT_LIBRARY: libnvinfer or libtensorrt_rtx, such as the one in the Python package tensorrt-rtx
#         CUDART_ROOT: folder with include/cuda_runtime_api.h and lib/libcudart, if not the CUDA toolkit
# Sets    TensorRT_FOUND, TensorRT_FLAVOUR (tensorrt | tensorrt-rtx), TensorRT_VERSION (of the headers),
#         TensorRT_REASON (why it was not found), and the target TensorRT::TensorRT
#
# Both libraries share the namespace nvinfer1, so the linker would accept a wrong pair, which then crashes:
# TensorRT-RTX runs with its own headers or with those of TensorRT 11 and later; headers of TensorRT 10 crash with it;
# the full TensorRT runs with headers of its own major version only.

include(${CMAKE_CURRENT_LIST_DIR}/PythonPackage.cmake)

set(TensorRT_FOUND FALSE)
set(TensorRT_REASON "")
set(roots ${TENSORRT_ROOT} $ENV{TENSORRT_ROOT})
find_path(TENSORRT_INCLUDE NvInferRuntime.h HINTS ${roots} PATH_SUFFIXES include)
if(NOT TENSORRT_INCLUDE)
  set(TensorRT_REASON "NvInferRuntime.h was not found; set TENSORRT_ROOT to the folder that holds include/")
  return()
endif()

# A macro of NvInferVersion.h as a number; it may stand for another macro.
function(_tensorrt_version_macro result text name)
  set(${result} "" PARENT_SCOPE)
  if(text MATCHES "#define[ \t]+${name}[ \t]+([A-Za-z_0-9]+)")
    set(value "${CMAKE_MATCH_1}")
    if(value MATCHES "^[0-9]+$")
      set(${result} "${value}" PARENT_SCOPE)
    else()
      _tensorrt_version_macro(inner "${text}" "${value}")
      set(${result} "${inner}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

set(text "")
if(EXISTS ${TENSORRT_INCLUDE}/NvInferVersion.h)
  file(READ ${TENSORRT_INCLUDE}/NvInferVersion.h text)
endif()
_tensorrt_version_macro(rtx_headers "${text}" TRT_MAJOR_RTX)
_tensorrt_version_macro(major "${text}" NV_TENSORRT_MAJOR)
_tensorrt_version_macro(minor "${text}" NV_TENSORRT_MINOR)
_tensorrt_version_macro(patch "${text}" NV_TENSORRT_PATCH)
if(major STREQUAL "")
  message(FATAL_ERROR "${TENSORRT_INCLUDE}/NvInferVersion.h does not say which version of TensorRT it belongs to.")
endif()
set(TensorRT_VERSION ${major}.${minor}.${patch})

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

# Tell the library apart by its name, which it keeps through all links, and refuse a wrong pair.
get_filename_component(real ${TENSORRT_LIBRARY} REALPATH)
get_filename_component(library_name ${real} NAME)
if(library_name MATCHES "tensorrt_rtx")
  set(TensorRT_FLAVOUR tensorrt-rtx)
  if(rtx_headers STREQUAL "" AND major LESS 11)
    message(FATAL_ERROR "${TENSORRT_LIBRARY} is TensorRT-RTX, but ${TENSORRT_INCLUDE} has the headers of TensorRT "
      "${TensorRT_VERSION}, which crash with it. Give those of its own SDK, or of TensorRT 11 or later.")
  endif()
else()
  set(TensorRT_FLAVOUR tensorrt)
  if(NOT rtx_headers STREQUAL "")
    message(FATAL_ERROR "${TENSORRT_LIBRARY} is the full TensorRT, but ${TENSORRT_INCLUDE} has the headers of "
      "TensorRT-RTX ${TensorRT_VERSION}. Give the headers that belong to the library.")
  endif()
  if(library_name MATCHES "\\.so\\.([0-9]+)" AND NOT CMAKE_MATCH_1 EQUAL major)
    message(FATAL_ERROR "${TENSORRT_LIBRARY} is TensorRT ${CMAKE_MATCH_1}, but ${TENSORRT_INCLUDE} has the headers of "
      "TensorRT ${TensorRT_VERSION}. Give the headers that belong to the library.")
  endif()
endif()

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
