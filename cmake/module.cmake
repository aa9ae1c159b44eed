# unified(<out> <name> <count> <files…>): files that include `count` of these each. They name them below
# src/, so that a compiler cache knows them in every clone (UNITY_BUILD names them by full paths).
function(unified out name count)
  set(result)
  set(text)
  set(taken 0)
  foreach(file IN LISTS ARGN)
    file(RELATIVE_PATH below ${CMAKE_SOURCE_DIR}/src ${file})
    string(APPEND text "#include \"${below}\"\n")
    math(EXPR taken "${taken} + 1")
    math(EXPR rest "${taken} % ${count}")
    list(LENGTH ARGN all)
    if(rest EQUAL 0 OR taken EQUAL all)
      list(LENGTH result number)
      set(unit ${CMAKE_BINARY_DIR}/unified/${name}_${number}.cc)
      file(GENERATE OUTPUT ${unit} CONTENT "${text}")
      list(APPEND result ${unit})
      set(text)
    endif()
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

# module(<name> [REGISTERS] [UNIFIED] [JSON] [DEPS folders…] [LIBS libraries…] [TEST_LIBS …])
#
# One call per folder of src/. Every *.cc that is no *_test.cc becomes the library tributary_<name>;
# every *_test.cc goes into one program <name>_test, run by CTest with the label "unit".
# UNIFIED: six files, or four tests, are compiled as one (docs/adr/0004-unified-files.md); so two files
# of the folder cannot have different things of the same name, even where only they see them.
# JSON: the precompiled header has nlohmann::json, and what all files need of it is linked from one
# place (pch_json.h).
# REGISTERS: the folder's files register themselves (sources, destinations, subcommands), so all of
# them are linked whether or not somebody names them.
function(module name)
  cmake_parse_arguments(M "REGISTERS;UNIFIED;JSON" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(code ${all})
  list(FILTER code EXCLUDE REGEX "_test\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(M_UNIFIED AND TRIBUTARY_UNIFIED)
    unified(code ${name} 6 ${code})
    unified(tests ${name}_test 4 ${tests})
  endif()

  set(pch tributary_pch)
  if(M_JSON)
    set(pch tributary_pch_json)
    list(APPEND M_LIBS tributary_pch_json)
  endif()

  set(target tributary_${name})
  list(TRANSFORM M_DEPS PREPEND tributary_ OUTPUT_VARIABLE deps)
  if(NOT code)
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE tributary_flags ${deps} ${M_LIBS})
  elseif(M_REGISTERS)
    # An archive gives up only the objects that somebody names, and nobody names these: a program
    # links tributary_<name>_all, which hands it the objects themselves.
    add_library(${target}_objects OBJECT ${code})
    target_link_libraries(${target}_objects PUBLIC tributary_flags ${deps} ${M_LIBS})
    target_precompile_headers(${target}_objects REUSE_FROM ${pch})
    add_library(${target} STATIC $<TARGET_OBJECTS:${target}_objects>)
    target_link_libraries(${target} PUBLIC tributary_flags ${deps} ${M_LIBS})
    add_library(${target}_all INTERFACE)
    target_sources(${target}_all INTERFACE $<TARGET_OBJECTS:${target}_objects>)
    target_link_libraries(${target}_all INTERFACE ${target})
  else()
    add_library(${target} STATIC ${code})
    target_link_libraries(${target} PUBLIC tributary_flags ${deps} ${M_LIBS})
    target_precompile_headers(${target} REUSE_FROM ${pch})
  endif()

  if(tests AND TRIBUTARY_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} tributary_test_support ${M_TEST_LIBS}
      GTest::gmock GTest::gtest_main)
    if(M_REGISTERS AND code)
      # As objects, not as the whole archive: the archive itself is linked as well, and a member
      # that a test names would be there twice.
      target_sources(${name}_test PRIVATE $<TARGET_OBJECTS:${target}_objects>)
    endif()
    target_precompile_headers(${name}_test REUSE_FROM tributary_pch_test)
    add_dependencies(unit_tests ${name}_test)
    set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 600
      ENVIRONMENT "${TRIBUTARY_TEST_ENVIRONMENT}")
  endif()
endfunction()
