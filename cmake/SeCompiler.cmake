# How we compile: the language, the warnings, the sanitizers, and what makes a build quick.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The build types are ours: what a preset promises must not depend on CMake's defaults. SE_ASSERT is
# on in all of them.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -D_GLIBCXX_ASSERTIONS")
set(SE_OPTIMIZE "-O2" CACHE STRING "How far a release build is optimized")
set(CMAKE_CXX_FLAGS_RELEASE "${SE_OPTIMIZE} -g1 -DNDEBUG")

# The root of the repository is the one include directory: #include "journal/base/result.h".
include_directories(${PROJECT_SOURCE_DIR})

file(RELATIVE_PATH se_way_to_source ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/)

add_compile_options(
    # The same journal must decide the same on every machine: no fused multiply-add anywhere.
    -ffp-contract=off
    # __FILE__ is relative to the repository, so that messages and binaries are the same everywhere;
    # the second is for a compiler cache that was told to make paths relative (below).
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=
    -fmacro-prefix-map=${se_way_to_source}=
    -Werror
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wno-sign-conversion
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    -Wold-style-cast
    -Wcast-align
    -Wextra-semi
    -Wformat=2
    -Wimplicit-fallthrough
    -Wunused
    -Wvla
    # A designated initializer leaves out what equals its default: that is its point.
    -Wno-missing-field-initializers)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(
        -Wduplicated-cond
        -Wlogical-op
        -Wsuggest-override
        # These guess across inlined library code, and g++ 12 guesses wrong about std::string,
        # std::optional and std::variant.
        -Wno-restrict
        -Wno-maybe-uninitialized
        -Wno-array-bounds
        -Wno-stringop-overflow
        -Wno-stringop-overread
        -Wno-free-nonheap-object)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options(-Wno-unknown-warning-option -Wsuggest-override -Wno-implicit-int-float-conversion
        -Wno-deprecated-declarations)  # std::stable_sort of g++ 12's library, in C++23
endif()

if(SE_SANITIZE)
    string(REPLACE ";" "," sanitizers "${SE_SANITIZE}")
    # Line tables are all that a report needs, and half of the time that -g costs here.
    add_compile_options(
        -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=${sanitizers})
    if(sanitizers MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan)  # Asio's atomic_thread_fence, which TSan does not model
    endif()
endif()

find_program(SE_CCACHE ccache)
if(SE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # What one checkout compiled, another need not: no absolute path of ours takes part in the hash.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_IGNOREOPTIONS=-fmacro-prefix-map=* ${SE_CCACHE})
endif()

find_program(SE_MOLD mold)
if(SE_MOLD)
    add_link_options(-fuse-ld=mold)
endif()
