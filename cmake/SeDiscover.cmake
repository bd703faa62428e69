# Runs inside ctest: registers every test case of a doctest program as a test (see se_doctest).

if(NOT EXISTS "${test_program}")
    add_test("${test_prefix}/not built" "${test_program}")
    set_tests_properties("${test_prefix}/not built" PROPERTIES LABELS "${test_label}")
    return()
endif()

if("${test_program}" IS_NEWER_THAN "${test_list}"
        OR "${CMAKE_CURRENT_LIST_FILE}" IS_NEWER_THAN "${test_list}")
    execute_process(
        COMMAND "${test_program}" --list-test-cases --no-colors=true
        OUTPUT_VARIABLE output RESULT_VARIABLE result)
    # No test case may be lost: a program that cannot even list them is itself the failing test.
    set(lines "list")
    if(result EQUAL 0)
        string(REPLACE ";" "\\;" output "${output}")
        string(REPLACE "\n" ";" lines "${output}")
    endif()
    set(script "")
    foreach(line IN LISTS lines)
        if(line MATCHES "^\\[doctest\\]" OR line MATCHES "^=+$" OR line STREQUAL "")
            continue()
        endif()
        set(name "[==[${test_prefix}/${line}]==]")
        string(FIND "${script}" "add_test(${name} " seen)
        if(NOT seen EQUAL -1)
            continue()  # two cases of one name: the filter of the first runs both
        endif()
        string(REPLACE "," "\\," filter "--test-case=${line}")
        if(NOT result EQUAL 0)
            set(filter "--list-test-cases")
        endif()
        string(APPEND script
            "add_test(${name} [==[${test_program}]==] [==[${filter}]==])\n"
            "set_tests_properties(${name} PROPERTIES LABELS [==[${test_label}]==]"
            " TIMEOUT ${test_timeout} SKIP_RETURN_CODE 77"
            # A filter that finds no test case must not look like a test that passed.
            " FAIL_REGULAR_EXPRESSION [==[test cases: +0 ]==]"
            " WORKING_DIRECTORY [==[${test_directory}]==])\n")
    endforeach()
    file(WRITE "${test_list}" "${script}")
endif()
include("${test_list}")
if(DEFINED result AND NOT result EQUAL 0)
    file(REMOVE "${test_list}")  # try again next time
endif()
unset(result)
