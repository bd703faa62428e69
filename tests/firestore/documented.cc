#include "tests/firestore/documented.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <thread>

#include "projection/firestore/documents.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;
using firestore::Document;

// A breaker that has opened lets nothing through for 30 s.
constexpr auto kPatience = 120s;

}  // namespace

std::string text_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : "";
}

std::int64_t number_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    REQUIRE_MESSAGE(member != nullptr, name << " is not in " << to_text(json));
    REQUIRE(member->is_integer());
    return member->integer();
}

std::pair<int, std::string> statectl_of(const std::string& data, const std::string& words) {
    const std::string command =
        bin_dir() + "/statectl --data " + data + " " + words + " 2>/dev/null";
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    std::array<char, 4096> bytes{};
    while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
        out.append(bytes.data(), got);
    const int status = ::pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

void DocumentedDaemon::start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--set", "firestore.timeout=2s"});
    daemon = std::make_unique<DaemonProcess>(
        DaemonProcess::Options{.data = data_,
                               .arguments = std::move(arguments),
                               .environment = {"FIRESTORE_EMULATOR_HOST=" +
                                               (through.empty() ? where_.address() : through)},
                               .policy = "allowedKeys: [\"a.*\"]\nrules: []\n"});
    daemon->start();
}

int DocumentedDaemon::propose(const std::string& proposal) {
    HttpClient client = daemon->tcp();
    const auto answer = client.post("/v1/mutations", proposal);
    REQUIRE(answer);
    return answer->status;
}

Json DocumentedDaemon::operator_status() {
    HttpClient client = daemon->socket();
    const auto answer = client.get("/v1/operator/status");
    REQUIRE(answer);
    return json_of(answer->body);
}

Json DocumentedDaemon::status() {
    HttpClient client = daemon->socket();
    const auto answer = client.get("/v1/operator/firestore");
    REQUIRE(answer);
    REQUIRE_MESSAGE(answer->status == 200, answer->body);
    return json_of(answer->body);
}

double DocumentedDaemon::metric(const std::string& name) {
    HttpClient client = daemon->tcp();
    const auto answer = client.get("/metrics");
    REQUIRE(answer);
    const std::string begin = "\nstate_engine_firestore_" + name + " ";
    const std::size_t at = answer->body.find(begin);
    REQUIRE_MESSAGE(at != std::string::npos, name);
    return std::stod(answer->body.substr(at + begin.size()));
}

Json DocumentedDaemon::wait_for(std::string_view what,
                                const std::function<bool(const Json&)>& condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        Json now = status();
        if (condition(now)) return now;
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                        what << " does not come: " << to_text(now));
        std::this_thread::sleep_for(20ms);
    }
}

Json DocumentedDaemon::wait_until_followed() {
    return wait_for("the end", [](const Json& now) {
        return text_of(now, "phase") == "following" && number_of(now, "lag") == 0;
    });
}

Json DocumentedDaemon::wait_until_stopped() {
    return wait_for("a stop", [](const Json& now) { return text_of(now, "phase") == "stopped"; });
}

std::vector<Document> DocumentedDaemon::documents(std::string_view collection) const {
    const auto store = where_.open("state-engine");
    const auto all = store->list({.collection = std::string(collection), .limit = 1000});
    REQUIRE_MESSAGE(all.has_value(), all.error().text);
    return *all;
}

void DocumentedDaemon::must_be_the_state() {
    HttpClient client = daemon->tcp();
    const auto answer = client.get("/v1/state?prefix=&limit=1000");
    REQUIRE(answer);
    const Json body = json_of(answer->body);
    const auto& entries = body.find("entries")->array();
    const auto all = documents("state");
    REQUIRE(all.size() == entries.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(all[i].path);
        CHECK(all[i].id() == text_of(entries[i], "key"));
        for (const char* name :
             {"value", "version", "seq", "updatedAt", "updatedBy", "ttl", "metadata"}) {
            CAPTURE(name);
            const firestore::Value* const field = firestore::find(all[i].fields, name);
            REQUIRE(field != nullptr);
            CHECK(*firestore::json_of(*field) == *entries[i].find(name));
        }
    }
}

void DocumentedDaemon::must_be_the_log(
    const std::vector<std::pair<std::string, std::string>>& wanted) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const Document& document : documents("mutation_log")) {
        const firestore::Value* const status = firestore::find(document.fields, "status");
        REQUIRE(status != nullptr);
        REQUIRE(status->as<std::string>() != nullptr);
        found.emplace_back(document.id(), *status->as<std::string>());
    }
    auto sorted = wanted;
    std::ranges::sort(sorted);
    CHECK(found == sorted);
}

}  // namespace se::test
