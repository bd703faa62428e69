// The arrows of the design: which folder may include which, which module may see which library.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/places.h"

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

/// A folder and the folders of ours that it may include. A file belongs to the longest that fits.
struct Arrow {
    std::string folder;
    Strings may_include;
};

// journal/base ◄ journal ◄ projection ◄ engine ◄ mcp ◄ tools, written out so that it can be read.
// Who is not named in a row is forbidden there: engine/ does not see engine/adapters/, and nothing
// that ships sees tests/ or bench/.
const std::vector<Arrow> kArrows = {
    {"journal/base/", {"journal/base/"}},
    {"journal/", {"journal/base/", "journal/"}},
    {"projection/", {"journal/base/", "journal/", "projection/"}},
    {"engine/", {"journal/base/", "journal/", "projection/", "engine/"}},
    {"engine/adapters/",
     {"journal/base/", "journal/", "projection/", "engine/", "engine/adapters/"}},
    {"mcp/", {"journal/base/", "journal/", "projection/", "engine/", "mcp/"}},
    {"tools/",
     {"journal/base/", "journal/", "projection/", "engine/", "engine/adapters/", "mcp/", "tools/"}},
    {"tests/",
     {"journal/base/", "journal/", "projection/", "engine/", "engine/adapters/", "mcp/", "tools/",
      "tests/", "bench/"}},
    {"bench/",
     {"journal/base/", "journal/", "projection/", "engine/", "engine/adapters/", "mcp/", "tools/",
      "tests/", "bench/"}},
};

/// A header that is not ours, and the beginnings of the only files that may include it.
struct Library {
    std::string header;
    Strings modules;
};

// A row ending in / stands for all below it. tests/ and bench/ may include anything.
const std::vector<Library> kLibraries = {
    // One library, one module.
    {"simdjson.h", {"journal/base/json"}},
    {"openssl/", {"journal/base/hash", "engine/adapters/http_tls"}},
    {"lmdb.h", {"projection/lmdb."}},
    {"yaml-cpp/", {"engine/policy/yaml"}},
    {"boost/", {"engine/adapters/http_"}},
    {"nats/", {"engine/adapters/nats_"}},
    {"grpcpp/", {"engine/adapters/firestore_"}},
    {"google/protobuf/", {"engine/adapters/firestore_"}},
    {"firestore_v1.pb.h", {"engine/adapters/firestore_"}},
    {"firestore_v1.grpc.pb.h", {"engine/adapters/firestore_"}},
    {"firestore_admin_v1.pb.h", {"engine/adapters/firestore_"}},
    {"firestore_admin_v1.grpc.pb.h", {"engine/adapters/firestore_"}},
    {"CLI/", {"tools/"}},
    {"zstd.h", {"tools/statectl/"}},
    {"zlib.h", {"tools/statectl/"}},
    {"doctest/", {}},
    // The world comes in through the door: files, sockets and chance are asked for in adapters.
    {"fstream", {"engine/adapters/", "tools/"}},
    {"random", {"engine/adapters/", "tools/"}},
    {"unistd.h", {"engine/adapters/", "tools/", "projection/lmdb."}},
    {"fcntl.h", {"engine/adapters/", "tools/", "projection/lmdb."}},
    {"sys/socket.h", {"engine/adapters/", "tools/"}},
    {"netdb.h", {"engine/adapters/", "tools/"}},
    // Its time is not linear in the input. A pattern in a decision would need an engine whose time is (E1).
    {"regex", {}},
    // What a decision says is the same on every machine (E1).
    {"locale", {}},
    {"clocale", {}},
    {"locale.h", {}},
    {"xlocale.h", {}},
};

const std::set<std::string> kTopFolders = {"engine", "journal", "projection", "mcp",    "tools",
                                           "tests",  "bench",   "docs",       "deploy", "cmake"};

// What a checkout has beside them: what git, the build, a run and continuous integration leave.
const std::set<std::string> kNotOurs = {".git",    ".ci",   ".github", ".cache",
                                        ".vscode", ".idea", "build",   "data"};

const Arrow* arrow_of(std::string_view path) {
    const Arrow* best = nullptr;
    for (const Arrow& arrow : kArrows) {
        if (!path.starts_with(arrow.folder)) continue;
        if (best == nullptr || arrow.folder.size() > best->folder.size()) best = &arrow;
    }
    return best;
}

/// Why `file` may not include `header`, as written in it; nothing if it may.
std::optional<std::string> complaint(std::string_view file, std::string_view header) {
    const Arrow* from = arrow_of(file);
    if (from == nullptr) return "no folder of the design";
    if (const Arrow* to = arrow_of(header)) {
        if (std::ranges::find(from->may_include, to->folder) != from->may_include.end())
            return std::nullopt;
        return from->folder + " may not include " + to->folder;
    }
    if (from->folder == "tests/" || from->folder == "bench/") return std::nullopt;
    for (const Library& library : kLibraries) {
        const bool folder = library.header.ends_with('/');
        if (folder ? !header.starts_with(library.header) : header != library.header) continue;
        for (const std::string& module : library.modules)
            if (file.starts_with(module)) return std::nullopt;
        return "<" + std::string(header) + "> has another home";
    }
    return std::nullopt;
}

struct Include {
    std::string header;
    bool quoted;
};

std::optional<Include> parse_include(std::string_view line) {
    const auto skip_blanks = [&] {
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    };
    skip_blanks();
    if (!line.starts_with('#')) return std::nullopt;
    line.remove_prefix(1);
    skip_blanks();
    if (!line.starts_with("include")) return std::nullopt;
    line.remove_prefix(7);
    skip_blanks();
    if (!line.starts_with('"') && !line.starts_with('<')) return std::nullopt;
    const bool quoted = line.front() == '"';
    line.remove_prefix(1);
    return Include{std::string(line.substr(0, line.find_first_of("\">"))), quoted};
}

/// Every C++ file below the folders of the design, by its path from the root.
Strings our_files(const fs::path& root) {
    Strings files;
    for (const std::string& folder : kTopFolders) {
        if (!fs::exists(root / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const fs::path extension = entry.path().extension();
            if (entry.is_regular_file() && (extension == ".h" || extension == ".cc"))
                files.push_back(entry.path().lexically_relative(root).generic_string());
        }
    }
    std::ranges::sort(files);
    return files;
}

const fs::path kRoot = se::test::source_dir();

}  // namespace

TEST_CASE("every include follows the arrows") {
    const Strings files = our_files(kRoot);
    REQUIRE(files.size() > 1);
    for (const std::string& file : files) {
        std::ifstream in(kRoot / file);
        REQUIRE(in);
        std::size_t number = 0;
        for (std::string line; std::getline(in, line);) {
            ++number;
            const auto include = parse_include(line);
            if (!include) continue;
            if (const auto why = complaint(file, include->header))
                FAIL_CHECK(file << ":" << number << ": " << *why);
            if (include->quoted && arrow_of(include->header) == nullptr)
                FAIL_CHECK(file << ":" << number << ": \"" << include->header
                                << "\" is not a path from the root of the repository");
        }
    }
}

TEST_CASE("a source has one of two endings") {
    // A .cpp or .hpp would escape both the build and the test above.
    for (const std::string& folder : kTopFolders) {
        if (!fs::exists(kRoot / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
            const std::string extension = entry.path().extension().string();
            for (const char* foreign : {".cpp", ".cxx", ".hpp", ".hh", ".inl", ".ipp"}) {
                CHECK_MESSAGE(extension != foreign, entry.path().string());
            }
        }
    }
}

TEST_CASE("the top-level folders are those of the design") {
    for (const auto& entry : fs::directory_iterator(kRoot)) {
        if (!entry.is_directory()) continue;
        const std::string name = entry.path().filename().string();
        const bool known = kTopFolders.contains(name) || kNotOurs.contains(name);
        CHECK_MESSAGE(known, "unexpected top-level folder: " << name);
    }
}

TEST_CASE("a forbidden include is caught, an allowed one is not") {
    struct Row {
        std::string_view file;
        std::string_view header;
        bool allowed;
    };
    const Row rows[] = {
        {"journal/base/json.cc", "journal/base/result.h", true},
        {"journal/base/json.cc", "journal/record.h", false},
        {"journal/journal.cc", "journal/base/result.h", true},
        {"journal/journal.cc", "projection/lmdb.h", false},
        {"projection/projector.cc", "journal/record.h", true},
        {"projection/projector.cc", "engine/engine.h", false},
        {"engine/engine.cc", "projection/projector.h", true},
        {"engine/engine.cc", "engine/policy/policy.h", true},
        {"engine/engine.cc", "engine/adapters/posix_clock.h", false},
        {"engine/policy/policy.cc", "engine/adapters/posix_clock.h", false},
        {"engine/api/api.cc", "mcp/server.h", false},
        {"engine/adapters/posix_clock.cc", "engine/adapters/posix_clock.h", true},
        {"engine/adapters/http_server.cc", "engine/api/api.h", true},
        {"engine/adapters/http_server.cc", "tools/settings.h", false},
        {"mcp/server.cc", "engine/api/api.h", true},
        {"mcp/server.cc", "engine/adapters/http_server.h", false},
        {"mcp/server.cc", "tools/settings.h", false},
        {"tools/statectl/main.cc", "engine/adapters/http_client.h", true},
        {"tools/statectl/main.cc", "mcp/server.h", true},
        {"tools/statectl/main.cc", "tests/sim/sim_clock.h", false},
        {"engine/engine.cc", "tests/sim/sim_clock.h", false},
        {"engine/engine.cc", "bench/bench.h", false},
        {"tests/engine/engine_test.cc", "tools/settings.h", true},
        {"bench/append.cc", "tests/sim/sim_clock.h", true},

        {"journal/base/json_parse.cc", "simdjson.h", true},
        {"journal/base/hash.cc", "simdjson.h", false},
        {"journal/base/hash.cc", "openssl/evp.h", true},
        {"journal/segment.cc", "openssl/evp.h", false},
        {"engine/adapters/http_tls.cc", "openssl/ssl.h", true},
        {"engine/adapters/http_client.cc", "openssl/ssl.h", false},
        {"projection/lmdb.h", "lmdb.h", true},
        {"projection/projector.cc", "lmdb.h", false},
        {"engine/policy/yaml_load.cc", "yaml-cpp/yaml.h", true},
        {"engine/policy/policy.cc", "yaml-cpp/yaml.h", false},
        {"engine/adapters/http_server.cc", "boost/beast/core.hpp", true},
        {"engine/adapters/posix_files.cc", "boost/asio.hpp", false},
        {"engine/adapters/nats_bus.cc", "nats/nats.h", true},
        {"engine/intake/message_bus.cc", "nats/nats.h", false},
        {"tools/daemon_nats.cc", "nats/nats.h", false},
        {"engine/adapters/firestore_channel.cc", "grpcpp/create_channel.h", true},
        {"engine/firestore/follower.cc", "grpcpp/create_channel.h", false},
        {"projection/firestore/value.cc", "google/protobuf/struct.pb.h", false},
        {"tools/state_engine.cc", "CLI/CLI.hpp", true},
        {"engine/api/api.cc", "CLI/CLI.hpp", false},
        {"tools/statectl/decompress.cc", "zstd.h", true},
        {"tools/state_engine.cc", "zlib.h", false},
        {"engine/engine.cc", "doctest/doctest.h", false},
        {"engine/rules/match.cc", "regex", false},
        {"engine/rules/match.cc", "locale", false},
        {"tools/statectl/main.cc", "clocale", false},
        {"tests/rules/match_test.cc", "locale", true},
        {"engine/engine.cc", "fstream", false},
        {"engine/adapters/posix_files.cc", "unistd.h", true},
        {"engine/engine.cc", "unistd.h", false},
        {"engine/engine.cc", "vector", true},
        {"tests/journal/j4_test.cc", "lmdb.h", true},
        {"core/engine.cc", "vector", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.file);
        CAPTURE(row.header);
        CHECK(complaint(row.file, row.header).has_value() != row.allowed);
    }

    CHECK(parse_include("  #  include \"journal/record.h\"  // why")->header == "journal/record.h");
    CHECK(parse_include("#include <lmdb.h>")->header == "lmdb.h");
    CHECK_FALSE(parse_include("#define include \"x\""));
    CHECK_FALSE(parse_include("// #include \"journal/record.h\""));
}
