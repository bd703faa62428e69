#include "engine/adapters/posix_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <sstream>
#include <thread>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_clock.h"

using namespace se;

namespace {

/// A log that writes to a file, and what is in there.
struct Fixture {
    explicit Fixture(JsonLogOptions options = {}) {
        options.descriptor = descriptor;
        log = std::make_unique<JsonLog>(clock, std::move(options));
    }
    ~Fixture() { ::close(descriptor); }

    std::string text() {
        PosixFileSystem files;
        return *read_file(files, path);
    }

    std::vector<std::string> lines() {
        std::istringstream stream(text());
        std::vector<std::string> lines;
        for (std::string line; std::getline(stream, line);) lines.push_back(line);
        return lines;
    }

    /// The one member of the one line.
    std::string member(std::string_view name) {
        const auto json = parse_json(lines().at(0));
        REQUIRE(json);
        REQUIRE(json->find(name) != nullptr);
        return json->find(name)->string();
    }

    TemporaryDirectory directory;
    std::string path = directory.path() + "/log";
    int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    SimClock clock;
    std::unique_ptr<JsonLog> log;
};

std::string logged(std::string value, std::vector<std::string> secrets) {
    Fixture fixture({.secrets = std::move(secrets)});
    fixture.log->write({Severity::error, "e", {{"value", std::move(value)}}});
    return fixture.member("value");
}

}  // namespace

TEST_CASE("an event is one JSON object on a line") {
    Fixture fixture;
    fixture.log->write({Severity::info,
                        "state-engine.mutation.committed",
                        {{"key", "stream.state"}, {"text", "two\nlines \"quoted\""}}});
    fixture.log->write({Severity::error, "state-engine.mutation.commit_failed"});
    CHECK(fixture.text() ==
          R"({"ts":"2026-01-01T00:00:00.000Z","service":"state-engine","level":"info",)"
          R"("severity":"INFO","msg":"state-engine.mutation.committed","key":"stream.state",)"
          R"("text":"two\nlines \"quoted\""})"
          "\n"
          R"({"ts":"2026-01-01T00:00:00.000Z","service":"state-engine","level":"error",)"
          R"("severity":"ERROR","msg":"state-engine.mutation.commit_failed"})"
          "\n");
}

TEST_CASE("an event of a trace has its ids, and one of no trace has none") {
    Fixture fixture;
    fixture.log->write({Severity::info,
                        "e",
                        {{"key", "a"}, {"span_id", "mine"}},
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
    fixture.log->write({Severity::info, "e", {{"span_id", "mine"}}, "00-abc"});
    const auto lines = fixture.lines();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].ends_with(
        R"("msg":"e","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7",)"
        R"("key":"a","context_span_id":"mine"})"));
    CHECK(lines[1].ends_with(R"("msg":"e","span_id":"mine"})"));
}

TEST_CASE("events below the threshold are dropped, and who asks is told before") {
    const Severity all[] = {Severity::debug, Severity::info, Severity::warning, Severity::error};
    for (const Severity threshold : all) {
        Fixture fixture({.service = "s", .severity_min = threshold});
        for (const Severity severity : all) {
            CHECK(fixture.log->takes(severity) == (severity >= threshold));
            fixture.log->write({severity, "e"});
        }
        CHECK(fixture.lines().size() == 4 - static_cast<std::size_t>(threshold));
        fixture.log->set_severity_min(Severity::debug);
        CHECK(fixture.log->takes(Severity::debug));
    }
    CHECK_FALSE(NoLog().takes(Severity::error));
}

TEST_CASE("each severity has its two names") {
    Fixture fixture({.severity_min = Severity::debug});
    fixture.log->write({Severity::debug, "e"});
    fixture.log->write({Severity::warning, "e"});
    const auto lines = fixture.lines();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find(R"("level":"debug","severity":"DEBUG")") != std::string::npos);
    CHECK(lines[1].find(R"("level":"warn","severity":"WARNING")") != std::string::npos);

    CHECK(severity_from_text("debug") == Severity::debug);
    CHECK(severity_from_text("INFO") == Severity::info);
    CHECK(severity_from_text("warn") == Severity::warning);
    CHECK(severity_from_text("Warning") == Severity::warning);
    CHECK(severity_from_text("error") == Severity::error);
    CHECK(!severity_from_text(""));
    CHECK(!severity_from_text("trace"));
}

TEST_CASE("secrets are redacted wherever they occur") {
    CHECK(logged("Bearer hunter2, hunter2!", {"hunter2"}) == "Bearer [redacted], [redacted]!");
    CHECK(logged("nothing here", {"hunter2"}) == "nothing here");
    CHECK(logged("hunter", {"hunter2"}) == "hunter");
    CHECK(logged("anything", {""}) == "anything");
    // Of two that overlap or touch, nothing is left over.
    CHECK(logged("xabcdefx", {"abcd", "cdef"}) == "x[redacted]x");
    CHECK(logged("abcabc", {"abc"}) == "[redacted]");
    CHECK(logged("aaa", {"aa"}) == "[redacted]");
    // One that occurs in the mark itself does not spoil it.
    CHECK(logged("x secret red", {"secret", "red"}) == "x [redacted] [redacted]");
    // Inside of JSON text it looks different.
    CHECK(logged(R"({"password":"a\"b"})", {"a\"b"}) == R"({"password":"[redacted]"})");
}

TEST_CASE("secrets are redacted in the service's other members too") {
    Fixture fixture({.secrets = {"hunter2"}});
    fixture.log->write({Severity::error, "login hunter2", {{"hunter2", "x"}}});
    CHECK(fixture.text().find("hunter2") == std::string::npos);
}

TEST_CASE("a secret at the cut of a long value does not show its beginning") {
    const std::string secret = "hunter2hunter2hunter2";
    const std::string text = logged(std::string(kLogValueSizeMax - 5, 'x') + secret, {secret});
    CHECK(text.find("hunt") == std::string::npos);
}

TEST_CASE("whatever a value holds, the line is JSON with no member twice") {
    Fixture fixture;
    fixture.log->write({Severity::info,
                        "e",
                        {{"bytes", "a\xFF\xC0\xAF\xED\xA0\x80\xE2\x82z\xC3\xA9\xF0\x9F\x98\x80"},
                         {"msg", "mine"},
                         {"msg", "again"},
                         {"ts", ""},
                         {"long", std::string(100'000, 'x')}}});
    const auto json = parse_json(fixture.lines().at(0));
    REQUIRE(json);
    CHECK(json->find("bytes")->string() ==
          "a\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDz\u00e9\U0001F600");
    CHECK(json->find("msg")->string() == "e");
    CHECK(json->find("context_msg")->string() == "mine");
    CHECK(json->find("context_context_msg")->string() == "again");
    CHECK(json->find("context_ts")->string().empty());
    const std::string& cut = json->find("long")->string();
    CHECK(cut == std::string(kLogValueSizeMax, 'x') + "\u2026");
}

TEST_CASE("lines of many threads stay whole") {
    Fixture fixture;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i)
                fixture.log->write({Severity::info, "e", {{"v", std::string(3000, 'x')}}});
        });
    for (std::thread& thread : threads) thread.join();
    const auto lines = fixture.lines();
    CHECK(lines.size() == 800);
    for (const std::string& line : lines) REQUIRE(parse_json(line));
}

TEST_CASE("a log that cannot be written does not stop anybody") {
    SimClock clock;
    JsonLog log(clock, {.descriptor = -1});
    log.write({Severity::error, "e"});
}
