// One name, one type: two types of the same name in one namespace share their inline functions and
// templates, and the linker keeps one of the two, whichever it is.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/places.h"

namespace {

namespace fs = std::filesystem;

/// The types that a file defines in namespaces with a name, each with all of its namespaces. Our files
/// write a namespace and a type that is not inside another at the start of a line.
std::vector<std::string> types_of(std::istream& in) {
    std::vector<std::string> types, spaces;
    for (std::string line; std::getline(in, line);) {
        const std::string_view text = line;
        if (text.starts_with("namespace ") && text.ends_with("{")) {
            const std::string_view name = text.substr(10);
            spaces.emplace_back(name.substr(0, name.find_first_of(" {")));  // empty: it has none
        } else if (text.starts_with("}  // namespace") && !spaces.empty()) {
            spaces.pop_back();
        }
        for (const std::string_view word : {"struct ", "class ", "enum class "}) {
            if (!text.starts_with(word) || text.find('{') == std::string_view::npos) continue;
            std::string name;
            for (const std::string& space : spaces) {
                if (space.empty()) name += '/';
                name += space + "::";
            }
            const std::string_view rest = text.substr(word.size());
            name += rest.substr(0, rest.find_first_of(" {"));
            if (name.find_first_of("/<") == std::string::npos) types.push_back(name);
        }
    }
    return types;
}

}  // namespace

TEST_CASE("no two types have the same name in the same namespace") {
    std::map<std::string, std::string> homes;
    for (const char* folder : {"journal", "projection", "engine", "mcp", "tools"}) {
        for (const auto& entry :
             fs::recursive_directory_iterator(fs::path(se::test::source_dir()) / folder)) {
            const fs::path extension = entry.path().extension();
            if (extension != ".h" && extension != ".cc") continue;
            std::ifstream in(entry.path());
            REQUIRE(in);
            for (const std::string& type : types_of(in)) {
                const auto [home, is_new] = homes.try_emplace(type, entry.path().string());
                CHECK_MESSAGE(is_new, type << " stands in " << home->second << " and in "
                                           << entry.path().string());
            }
        }
    }
    CHECK(homes.contains("se::Journal"));
    CHECK(homes.size() > 200);
}
