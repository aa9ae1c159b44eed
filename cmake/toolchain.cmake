# Compiler, warnings, sanitizers: one place, the same for every target.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# -O2 and no debug info by default: a cold build on two cores has minutes, not tens of minutes.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
if(NOT TRIBUTARY_SANITIZE STREQUAL "")
  # GCC takes twice as long over an instrumented file at -O1 (13 s against 7 s with -Og, which is what
  # the file takes at -O2 without instruments), and the programs' speed is of no interest.
  set(CMAKE_CXX_FLAGS_RELEASE "-Og")
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers need the sloppiness flags; without them nothing would be cached. The base
  # directory lets a second clone use what the first one compiled. CCACHE_DEPEND spares a file that is
  # not cached its preprocessing: the compiler says what it read.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 ${CCACHE})
endif()
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

add_link_options(-Wl,--gc-sections)

# The files of a folder need not wait for the archives of the folders below it.
set(CMAKE_OPTIMIZE_DEPENDENCIES ON)

add_library(tributary_flags INTERFACE)
target_include_directories(tributary_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/cmake)
target_compile_options(tributary_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-field-initializers
  # GCC 12 sees overlaps and overruns in `string("text") + more` that are not there (GCC bug 105651);
  # the sanitizer builds look for real ones.
  -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
  -msse4.2 -fno-plt -fstack-protector-strong
  # A unit takes 0.7 GB; collecting garbage below that costs a tenth of the compiler's time.
  --param=ggc-min-heapsize=700000)
if(TRIBUTARY_SANITIZE)
  # With sanitizers GCC 12 takes an empty boost::optional inside Beast for an uninitialised one, and
  # reads past the literal in `string("text") + more` as above.
  target_compile_options(tributary_flags INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overread)
endif()
if(TRIBUTARY_SANITIZE STREQUAL "address")
  target_compile_options(tributary_flags INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(tributary_flags INTERFACE -fsanitize=address,undefined)
elseif(TRIBUTARY_SANITIZE STREQUAL "thread")
  target_compile_options(tributary_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer -g1
    -Wno-tsan)
  target_link_options(tributary_flags INTERFACE -fsanitize=thread)
else()
  target_compile_definitions(tributary_flags INTERFACE _FORTIFY_SOURCE=2)
endif()

# Precompiled headers, made once: for libraries, for those that read and write JSON, and for the test
# programs (CMakeLists.txt). Making one takes seconds. In angle brackets, CMake does not write where this
# clone is into them, and a compiler cache knows them (and all that reads them) in the next one.
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "")
add_library(tributary_pch STATIC ${CMAKE_BINARY_DIR}/pch.cc)
target_link_libraries(tributary_pch PUBLIC tributary_flags)
target_precompile_headers(tributary_pch PRIVATE <pch.h>)
add_library(tributary_pch_json STATIC ${CMAKE_SOURCE_DIR}/cmake/json_instances.cc)
target_link_libraries(tributary_pch_json PUBLIC tributary_flags)
target_precompile_headers(tributary_pch_json PRIVATE <pch_json.h>)
