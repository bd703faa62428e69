// What the real program says of itself: help and completion.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/statectl/worlds.h"

namespace {

using namespace se;

TEST_CASE("every command has help that teaches by example") {
    const Words commands[] = {{"get"}, {"list"}, {"set"}, {"delete"}, {"increment"}, {"push"}, {"merge"},
                              {"watch"}, {"history"}, {"status"}, {"reload"}, {"import"}, {"rebuild"},
                              {"doctor"}, {"completion"}, {"journal"}, {"journal", "ls"},
                              {"journal", "cat"}, {"journal", "tail"}, {"journal", "grep"},
                              {"journal", "stats"}, {"journal", "verify"}, {"journal", "replay"},
                              {"journal", "repair"}};
    const Tool statectl{"/nonexistent"};
    const std::string completion = statectl.must({"completion", "bash"});
    for (Words words : commands) {
        CHECK(completion.find("/" + words.back()) != std::string::npos);
        const std::string name = words.back();
        words.push_back("--help");
        const std::string help = statectl.must(words);
        INFO(name, ": ", help);
        CHECK(help.find("Examples:") != std::string::npos);
        CHECK(help.find("statectl ") != std::string::npos);
    }
    CHECK(statectl.must({"--help"}).find("Exit codes") != std::string::npos);
    for (const Words& words : {Words{"bus", "--help"}, Words{"shadow", "--help"},
                               Words{"bus", "deadletters", "--help"}})
        CHECK(statectl.must(words).find("statectl " + words.front()) != std::string::npos);
}

TEST_CASE("completion knows commands, flags and keys, and never runs what a key says") {
    World world(false);
    world.statectl.must({"set", "a.first", "1"});
    const std::string bait = world.folder.path() + "/bait";
    world.statectl.must({"set", "a.$(touch${IFS}bait)", "1"});
    const auto complete = [&](const std::string& words) {
        const std::string script = "cd '" + world.folder.path() + "'; source <('" + program("statectl") +
                                   "' completion bash); COMP_WORDS=('" + program("statectl") + "' " + words +
                                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _statectl; printf '%s\\n' "
                                   "\"${COMPREPLY[@]}\"";
        const Ran ran = run({"bash", "-c", script});
        CHECK(ran.err.empty());
        return lines_of(ran.out);
    };
    const auto has = [](const std::vector<std::string>& words, const std::string& word) {
        return std::ranges::find(words, word) != words.end();
    };
    CHECK(complete("jou") == std::vector<std::string>{"journal"});
    CHECK(has(complete("journal ''"), "verify"));
    CHECK(has(complete("journal cat --"), "--from"));
    CHECK(has(complete("set --exp"), "--expected-version"));
    CHECK(has(complete("--data '" + world.statectl.data + "' get a."), "a.first"));
    CHECK(complete("-o ''") == std::vector<std::string>{"table", "json", "jsonl"});
    CHECK_FALSE(std::filesystem::exists(bait));
}

}  // namespace
