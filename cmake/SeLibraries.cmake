# The libraries of others, all from Debian (tools/install-deps.sh). One library, one module.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_package(simdjson REQUIRED)          # journal/base/json*
find_package(fmt REQUIRED)
find_package(OpenSSL 3 REQUIRED)         # journal/base/hash*, engine/adapters/http_tls*
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)      # projection/lmdb.*
find_package(yaml-cpp REQUIRED)          # engine/policy/yaml*
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)        # engine/policy/
find_package(Boost 1.81 REQUIRED)        # engine/adapters/http_*: headers only
find_package(CLI11 REQUIRED)             # tools/
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)   # tools/statectl/
find_package(ZLIB REQUIRED)              # tools/statectl/
pkg_check_modules(NATS IMPORTED_TARGET libnats)             # engine/adapters/nats_*; may be absent
find_package(doctest REQUIRED)           # tests/

# Firestore's wire. Without it all is built, and says that it has no Firestore.
find_package(Protobuf 3.21 QUIET)        # engine/adapters/firestore_*: in this order
find_package(gRPC CONFIG QUIET)          # engine/adapters/firestore_*
