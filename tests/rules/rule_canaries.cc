// rule_canaries: `statectl rules eval --batch` with one mistake in it (engine/rules/planted.h), for
// the comparison with json-logic-js: each must be noticed.
//
//   rule_canaries --list           the names of the mistakes
//   rule_canaries --plant NAME     lines on stdin, answers on stdout; `none` plants nothing

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "engine/rules/json_logic.h"
#include "engine/rules/planted.h"

namespace se {
inline namespace with_rule_canaries {

Planted the_planted = Planted::none;

}  // namespace with_rule_canaries
}  // namespace se

namespace {

using se::Planted;

struct Mistake {
    std::string_view name;
    Planted planted;
};
constexpr Mistake kMistakes[] = {
    {"plus_takes_whole_texts", Planted::plus_takes_whole_texts},
    {"null_equals_zero", Planted::null_equals_zero},
    {"texts_ordered_by_bytes", Planted::texts_ordered_by_bytes},
    {"empty_array_is_truthy", Planted::empty_array_is_truthy},
    {"default_for_null", Planted::default_for_null},
    {"between_forgets_third", Planted::between_forgets_third},
    {"substr_counts_bytes", Planted::substr_counts_bytes},
    {"missing_forgives_empty", Planted::missing_forgives_empty},
    {"all_of_nothing", Planted::all_of_nothing},
    {"and_yields_boolean", Planted::and_yields_boolean},
    {"reduce_from_first", Planted::reduce_from_first},
};

int usage() {
    std::cerr << "rule_canaries: --list, or --plant NAME with a name of that list or none\n";
    return 64;
}

}  // namespace

int main(int count, char** words) {
    const std::string_view first = count > 1 ? words[1] : "";
    if (first == "--list") {
        for (const Mistake& mistake : kMistakes) std::cout << mistake.name << "\n";
        return 0;
    }
    if (first != "--plant" || count != 3) return usage();
    if (words[2] != std::string_view("none")) {
        const auto* const at =
            std::ranges::find(kMistakes, std::string_view(words[2]), &Mistake::name);
        if (at == std::end(kMistakes)) return usage();
        se::the_planted = at->planted;
    }
    std::ios::sync_with_stdio(false);
    for (std::string line; std::getline(std::cin, line);)
        if (!line.empty()) std::cout << se::json_logic_line(line).text << "\n";
    return 0;
}
