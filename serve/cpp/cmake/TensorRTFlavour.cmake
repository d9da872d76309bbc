# Which of the two a pair of headers and library is; a wrong pair ends the configuration.
#
# Both libraries share the namespace nvinfer1, so the linker would accept a wrong pair, which then crashes:
# TensorRT-RTX runs with its own headers or with those of TensorRT 11 and later; headers of TensorRT 10 crash with it;
# the full TensorRT runs with headers of its own major version only.

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

# Sets `flavour` (tensorrt | tensorrt-rtx) and `version`, that of the headers.
function(ran_deploy_tensorrt_flavour flavour version include library)
  set(text "")
  if(EXISTS ${include}/NvInferVersion.h)
    file(READ ${include}/NvInferVersion.h text)
  endif()
  _tensorrt_version_macro(rtx_headers "${text}" TRT_MAJOR_RTX)
  foreach(part MAJOR MINOR PATCH)
    _tensorrt_version_macro(${part} "${text}" NV_TENSORRT_${part})
  endforeach()
  if(MAJOR STREQUAL "")
    message(FATAL_ERROR "${include}/NvInferVersion.h does not say which version of TensorRT it belongs to.")
  endif()
  set(${version} ${MAJOR}.${MINOR}.${PATCH} PARENT_SCOPE)

  # The library is told by its name, which it keeps through all links.
  get_filename_component(real ${library} REALPATH)
  get_filename_component(name ${real} NAME)
  if(name MATCHES "tensorrt_rtx")
    set(${flavour} tensorrt-rtx PARENT_SCOPE)
    if(rtx_headers STREQUAL "" AND MAJOR LESS 11)
      message(FATAL_ERROR "${library} is TensorRT-RTX, but ${include} has the headers of TensorRT "
        "${MAJOR}.${MINOR}.${PATCH}, which crash with it. Give those of its own SDK, or of TensorRT 11 or later.")
    endif()
    return()
  endif()
  set(${flavour} tensorrt PARENT_SCOPE)
  if(NOT rtx_headers STREQUAL "")
    message(FATAL_ERROR "${library} is the full TensorRT, but ${include} has the headers of TensorRT-RTX "
      "${MAJOR}.${MINOR}.${PATCH}. Give the headers that belong to the library.")
  endif()
  if(name MATCHES "\\.so\\.([0-9]+)" AND NOT CMAKE_MATCH_1 EQUAL MAJOR)
    message(FATAL_ERROR "${library} is TensorRT ${CMAKE_MATCH_1}, but ${include} has the headers of TensorRT "
      "${MAJOR}.${MINOR}.${PATCH}. Give the headers that belong to the library.")
  endif()
endfunction()
