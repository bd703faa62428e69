// E1, as far as sources and flags show it: the same journal decides the same on every machine, whatever its
// processor fuses and whatever language its user speaks.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/places.h"

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kProduct = {"journal/", "projection/", "engine/", "mcp/", "tools/"};
/// Where a build may leave files out, for want of a library.
constexpr std::array<std::string_view, 2> kOptional = {"engine/adapters/", "tools/"};

template <std::size_t N>
bool is_below(std::string_view path, const std::array<std::string_view, N>& folders) {
    for (const std::string_view folder : folders)
        if (path.starts_with(folder)) return true;
    return false;
}

std::string from_root(const fs::path& path) {
    return path.lexically_relative(se::test::source_dir()).generic_string();
}

/// What a command says of fused multiply-add, which changes the last bit of a double.
std::optional<std::string> complaint_about(std::string_view command) {
    std::string contract;
    while (!command.empty()) {
        const std::string_view word = command.substr(0, command.find(' '));
        command.remove_prefix(std::min(word.size() + 1, command.size()));
        if (word.starts_with("-ffp-contract=")) contract = word;  // the last one counts
        for (const std::string_view loose : {"-ffast-math", "-Ofast", "-funsafe-math-optimizations"})
            if (word == loose) return std::string(word);
    }
    if (contract == "-ffp-contract=off") return std::nullopt;
    return contract.empty() ? "no -ffp-contract=off" : contract;
}

/// The value of `"name": "value"` in a line of a file that CMake wrote.
std::optional<std::string> member(std::string_view line, const std::string& name) {
    const std::string begin = "\"" + name + "\": \"";
    const std::size_t at = line.find(begin);
    const std::size_t end = line.rfind('"');
    if (at == std::string_view::npos || end < at + begin.size()) return std::nullopt;
    return std::string(line.substr(at + begin.size(), end - at - begin.size()));
}

/// The sources that a unit is made of: itself, or, with SE_UNITY, those that it includes by name.
std::vector<std::string> sources_of(const fs::path& unit) {
    const std::string own = from_root(unit);
    std::vector<std::string> sources;
    if (unit.parent_path().filename() == "unity") {
        std::ifstream in(unit);
        REQUIRE_MESSAGE(in, unit.string());
        constexpr std::string_view kInclude = "#include \"";
        for (std::string line; std::getline(in, line);) {
            if (!line.starts_with(kInclude) || !line.ends_with(".cc\"")) continue;
            sources.push_back(line.substr(kInclude.size(), line.size() - kInclude.size() - 1));
        }
    }
    if (sources.empty()) sources.push_back(own);
    return sources;
}

/// What asks for the user's language in a line of code.
std::optional<std::string_view> locale_in(std::string_view line) {
    if (const std::size_t comment = line.find("//"); comment != std::string_view::npos)
        line = line.substr(0, comment);
    for (const std::string_view word :
         {"std::locale", "setlocale", "newlocale", "uselocale", "localeconv", ".imbue("})
        if (line.find(word) != std::string_view::npos) return word;
    return std::nullopt;
}

template <class Visit>
void each_product_file(const Visit& visit) {
    const fs::path root = se::test::source_dir();
    for (const std::string_view folder : kProduct) {
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const fs::path extension = entry.path().extension();
            if (extension == ".h" || extension == ".cc") visit(entry.path());
        }
    }
}

}  // namespace

TEST_CASE("no product file is compiled with fused multiply-add") {
    std::ifstream in(fs::path(se::test::bin_dir()).parent_path() / "compile_commands.json");
    REQUIRE(in);
    std::map<std::string, std::string> seen;  // product sources, and what is wrong
    std::string command;
    for (std::string line; std::getline(in, line);) {
        if (const auto told = member(line, "command")) command = *told;
        const auto file = member(line, "file");
        if (!file) continue;
        REQUIRE_FALSE(command.empty());
        for (const std::string& source : sources_of(*file)) {
            if (!is_below(source, kProduct)) continue;
            std::string& wrong = seen[source];
            if (wrong.empty()) wrong = complaint_about(command).value_or("");
        }
        command.clear();
    }
    each_product_file([&](const fs::path& path) {
        const std::string source = from_root(path);
        if (path.extension() != ".cc") return;
        const auto found = seen.find(source);
        if (found == seen.end())
            CHECK_MESSAGE(is_below(source, kOptional), source << " is compiled by nobody");
        else
            CHECK_MESSAGE(found->second.empty(), source << ": " << found->second);
    });
    CHECK(seen.size() > 100);
}

TEST_CASE("no product file asks for a locale") {
    std::size_t files = 0;
    each_product_file([&](const fs::path& path) {
        ++files;
        std::ifstream in(path);
        REQUIRE(in);
        std::size_t number = 0;
        for (std::string line; std::getline(in, line);) {
            ++number;
            if (const auto word = locale_in(line))
                FAIL_CHECK(from_root(path) << ":" << number << ": " << *word);
        }
    });
    CHECK(files > 200);
}

TEST_CASE("a loose flag and a locale are caught where they stand") {
    CHECK_FALSE(complaint_about("g++ -O2 -ffp-contract=off -c a.cc"));
    CHECK(complaint_about("g++ -O2 -c a.cc"));
    CHECK(complaint_about("g++ -ffp-contract=off -O2 -ffp-contract=fast -c a.cc"));
    CHECK(complaint_about("g++ -ffp-contract=off -ffast-math -c a.cc"));
    CHECK(complaint_about("g++ -Ofast -ffp-contract=off"));
    CHECK(locale_in("    std::locale::global(std::locale(\"\"));"));
    CHECK(locale_in("    setlocale(LC_ALL, \"\");"));
    CHECK(locale_in("    out.imbue(there);"));
    CHECK_FALSE(locale_in("/// the same under every std::locale"));
    CHECK_FALSE(locale_in("    locate(key);"));
}
