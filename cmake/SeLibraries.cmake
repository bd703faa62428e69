# The libraries of others, all from Debian (tools/install-deps.sh). One library, one module.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_package(simdjson REQUIRED)          # journal/base/json*
find_package(fmt REQUIRED)
find_package(OpenSSL 3 REQUIRED)         # journal/base/hash*, engine/adapters/http_tls*
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)      # projection/lmdb.*
find_package(yaml-cpp REQUIRED)          # engine/policy/yaml*
find_package(CLI11 REQUIRED)             # tools/
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)   # tools/statectl/
find_package(ZLIB REQUIRED)              # tools/statectl/
find_package(doctest REQUIRED)           # tests/

# What speaks to the world. The core is whole without any of it: journal, projection, engine, MCP, the simulator
# and their tests. Without Boost there are no programs that listen or ask, state-engine and statectl among them;
# without libnats or gRPC they say that they have no bus, or no Firestore.
option(SE_CORE_ONLY "Build without HTTP, NATS and gRPC, also where their libraries are installed" OFF)
if(NOT SE_CORE_ONLY)
    find_package(Boost 1.81 QUIET)       # engine/adapters/http_*: headers only
    pkg_check_modules(NATS IMPORTED_TARGET libnats)         # engine/adapters/nats_*
    find_package(Protobuf 3.21 QUIET)    # engine/adapters/firestore_*: in this order
    find_package(gRPC CONFIG QUIET)      # engine/adapters/firestore_*
endif()
if(NOT Boost_FOUND)
    message(STATUS "Without Boost: no HTTP, and none of the programs that need it")
endif()
