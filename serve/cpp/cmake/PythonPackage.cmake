# Files inside a Python package of the active environment: wheels carry the runtimes' libraries, and often more.
# The package is located, not imported. Sets `result` to the first match, or to nothing.
function(ran_deploy_python_files result package pattern)
  set(${result} "" PARENT_SCOPE)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    return()
  endif()
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
      "import importlib.util as u; s = u.find_spec('${package}'); print(list(s.submodule_search_locations)[0] if s else '')"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(folder)
    file(GLOB files LIST_DIRECTORIES true "${folder}/${pattern}")
    if(files)
      list(GET files 0 first)
      set(${result} "${first}" PARENT_SCOPE)
    endif()
  endif()
endfunction()
