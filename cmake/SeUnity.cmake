# Fewer units to compile: reading the same headers for every file is most of what a build from nothing
# costs. With SE_UNITY a target's files are compiled a handful at a time; without, each by itself.
#
# Names in anonymous namespaces are then shared with the other files of the target; what stands in two
# of them belongs into a header. A missing #include may hide, so somebody has to build without it too.

option(SE_UNITY "Compile several files as one unit: quick from nothing, slow after a small change" OFF)
set(SE_UNITY_FILES 10 CACHE STRING "How many files one unit has at most")

if(SE_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Takes every file that is included for a header, which others may include too.
    add_compile_options(-Wno-subobject-linkage)
endif()

# What asks for planted bugs (journal/base/canary.h) is compiled by itself, and once more for the
# program `canaries`: an object of the library that held anything else would come along with its own.
set(SE_CANARY_SOURCES
    journal/recovery_verdict.cc
    journal/segment_writer.cc
    projection/bulk.cc
    projection/generation.cc
    engine/decide.cc
    engine/derived.cc
    engine/engine_commit.cc
    engine/engine_decide.cc
    engine/engine_derive.cc
    engine/egress/bus_sink.cc
    engine/egress/follower.cc
    engine/firestore/follower_state.cc
    engine/intake/bus_intake.cc
    mcp/tools/changes.cc
    mcp/tools/state_resources.cc)

# se_units(OUT name source...): what to compile for the target NAME. The files that include the sources
# name them from the root of the repository, so that they, and what a compiler cache makes of them,
# are the same in every checkout. Each folder has units of its own: a new file moves few others.
function(se_units out name)
    if(NOT SE_UNITY)
        set(${out} ${ARGN} PARENT_SCOPE)
        return()
    endif()
    set(units "")
    set(folders "")
    foreach(source IN LISTS ARGN)
        get_filename_component(path ${source} ABSOLUTE)
        file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${path})
        get_source_file_property(own_definitions ${source} COMPILE_DEFINITIONS)
        if(path IN_LIST SE_CANARY_SOURCES OR own_definitions)
            list(APPEND units ${source})
            continue()
        endif()
        get_filename_component(folder ${path} DIRECTORY)
        list(APPEND folders ${folder})
        string(MAKE_C_IDENTIFIER ${folder} folder)
        list(APPEND sources_of_${folder} ${path})
    endforeach()
    list(REMOVE_DUPLICATES folders)
    foreach(folder IN LISTS folders)
        string(MAKE_C_IDENTIFIER ${folder} folder)
        list(LENGTH sources_of_${folder} count)
        math(EXPR parts "(${count} + ${SE_UNITY_FILES} - 1) / ${SE_UNITY_FILES}")
        foreach(part RANGE 1 ${parts})
            math(EXPR first "(${part} - 1) * ${count} / ${parts}")
            math(EXPR length "${part} * ${count} / ${parts} - ${first}")
            list(SUBLIST sources_of_${folder} ${first} ${length} included)
            list(TRANSFORM included REPLACE "(.+)" "#include \"\\1\"\n")
            string(JOIN "" text ${included})
            set(unit ${CMAKE_CURRENT_BINARY_DIR}/unity/${name}_${folder}_${part}.cc)
            file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
            list(APPEND units ${unit})
        endforeach()
    endforeach()
    set(${out} ${units} PARENT_SCOPE)
endfunction()
