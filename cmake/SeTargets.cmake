# The few words our CMakeLists are written in. Sources are globbed: a new file needs no edit here.

# se_glob(OUT pattern... [EXCLUDE regex]): sources below the current folder, found again at every build.
function(se_glob out)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXCLUDE" "")
    file(GLOB found CONFIGURE_DEPENDS ${arg_UNPARSED_ARGUMENTS})
    if(arg_EXCLUDE)
        list(FILTER found EXCLUDE REGEX ${arg_EXCLUDE})
    endif()
    set(${out} ${found} PARENT_SCOPE)
endfunction()

# se_library(NAME SOURCES ... PUBLIC ... PRIVATE ...): a static library, or, while its folder has no
# source yet, only the arrows. PRIVATE is for libraries that our headers do not show.
function(se_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
    if(arg_SOURCES)
        se_units(units ${name} ${arg_SOURCES})
        add_library(${name} STATIC ${units})
        target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE ${arg_PUBLIC} ${arg_PRIVATE})
    endif()
endfunction()

# se_program(NAME SOURCES ... LINK ...): an executable in bin/; nothing while it has no source.
function(se_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    if(arg_SOURCES)
        se_units(units ${name} ${arg_SOURCES})
        add_executable(${name} ${units})
        target_link_libraries(${name} PRIVATE ${arg_LINK})
        target_compile_definitions(${name} PRIVATE SE_VERSION="${PROJECT_VERSION}")
    endif()
endfunction()

# se_absent(NAME LABEL LIBRARY PACKAGE): stands for the tests of NAME where LIBRARY is not there to build them
# with: a skip that says why, and a failure where Debian's PACKAGE is installed all the same.
function(se_absent name label library package)
    set(asked "")
    if(SE_CORE_ONLY)
        set(asked SE_CORE_ONLY)
    endif()
    add_test(NAME "${name}/absent"
        COMMAND ${PROJECT_SOURCE_DIR}/tests/absent.sh ${name} ${library} ${package} ${asked})
    set_tests_properties("${name}/absent" PROPERTIES LABELS ${label} SKIP_RETURN_CODE 77)
endfunction()

# se_doctest(NAME LABEL ... SOURCES ... LINK ...): a doctest program of which every test case is a test
# of its own in ctest, named NAME/case. They are listed when ctest starts and the program is newer
# than the list, so a program that crashes breaks its tests and not the build.
function(se_doctest name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LINK")
    if(NOT arg_SOURCES)
        return()
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    se_units(units ${name} ${arg_SOURCES})
    add_executable(${name} ${units})
    target_link_libraries(${name} PRIVATE ${arg_LINK} se_test_main doctest::doctest)
    # A test case runs once and is compiled often; what it tests is optimized as always.
    target_compile_options(${name} PRIVATE -O0)

    string(REGEX REPLACE "^test_" "" prefix ${name})
    set(program "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name}")
    set(include_file "${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake")
    file(WRITE "${include_file}.new"
        "set(test_program \"${program}\")\n"
        "set(test_prefix \"${prefix}\")\n"
        "set(test_label \"${arg_LABEL}\")\n"
        "set(test_timeout \"${arg_TIMEOUT}\")\n"
        "set(test_directory \"${CMAKE_CURRENT_BINARY_DIR}\")\n"
        "set(test_list \"${CMAKE_CURRENT_BINARY_DIR}/${name}_list.cmake\")\n"
        "include(\"${PROJECT_SOURCE_DIR}/cmake/SeDiscover.cmake\")\n")
    file(COPY_FILE "${include_file}.new" "${include_file}" ONLY_IF_DIFFERENT)
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include_file}")
endfunction()
