#include "engine/egress/file_sink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "journal/base/json.h"
#include "tests/sim/sim_filesystem.h"

namespace se {
namespace {

using Outcome = Delivery::Outcome;

const std::string kOutPath = "/out/egress.jsonl";

Message fired_message(std::uint64_t seq, std::string payload = R"({"type":"t"})") {
    return {.id = "s:1:" + std::to_string(seq) + ":r:0",
            .at = {Epoch{1}, Seq{seq}},
            .type = "t",
            .body = std::move(payload)};
}

struct Folder {
    SimFileSystem disk{1};
    FileSink sink{disk, kOutPath};

    Folder() { disk.put("/out/other", "x"); }
    std::vector<Delivery> deliver(std::uint64_t from, std::uint64_t to) {
        for (; from <= to; ++from) sink.deliver(from, fired_message(from));
        return sink.poll();
    }
    std::vector<std::string> lines() const {
        const std::string text = disk.content(kOutPath).value_or("");
        std::vector<std::string> all;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            all.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        return all;
    }
};

TEST_CASE("each message is a line of JSON that a person can read") {
    Folder place;
    Message one = fired_message(7, R"({"type":"a","n":1.5})");
    one.trace = "00-ab-cd-01";
    place.sink.deliver(1, one);
    REQUIRE(place.sink.poll().size() == 1);
    CHECK(place.lines().at(0) ==
          R"({"id":"s:1:7:r:0","epoch":1,"seq":7,"ts":"1970-01-01T00:00:00.000Z","type":"t",)"
          R"("trace":"00-ab-cd-01","payload":{"type":"a","n":1.5}})");
}

TEST_CASE("nothing is acknowledged that is not on the disk") {
    Folder place;
    for (const Delivery& delivery : place.deliver(1, 3))
        CHECK(delivery.outcome == Outcome::acknowledged);
    place.disk.power_cut();
    CHECK(place.lines().size() == 3);
}

TEST_CASE("a file that was moved away is begun anew, and found again after a power cut") {
    Folder place;
    place.deliver(1, 2);
    REQUIRE(place.disk.rename(kOutPath, "/out/old"));
    for (const Delivery& delivery : place.deliver(3, 4))
        CHECK(delivery.outcome == Outcome::acknowledged);
    place.disk.power_cut();
    CHECK(place.lines().size() == 2);
}

TEST_CASE("what a death left unfinished is cut, whatever there is of it") {
    Folder whole;
    whole.deliver(1, 2);
    const std::string text = *whole.disk.content(kOutPath);
    const std::size_t second = text.find('\n') + 1;
    for (std::size_t size = second; size < text.size(); ++size) {
        Folder place;
        place.disk.put(kOutPath, text.substr(0, size));
        REQUIRE(place.deliver(2, 3)[1].outcome == Outcome::acknowledged);
        const auto lines = place.lines();
        REQUIRE(lines.size() == 3);
        for (const std::string& line : lines) CHECK(parse_json(line));
    }
}

TEST_CASE("somebody else's unfinished line is left alone, and ours begins behind it") {
    Folder place;
    place.disk.put(kOutPath, "notes of mine");
    place.deliver(1, 2);
    CHECK(place.lines().size() == 3);
    CHECK(place.lines()[0] == "notes of mine");
}

TEST_CASE("a long unfinished line is found from its beginning") {
    Folder place;
    place.disk.put(kOutPath, "{\"id\":\"whole\"}\n{\"id\":\"" + std::string(200'000, 'x'));
    place.deliver(1, 1);
    CHECK(place.lines().size() == 2);
    CHECK(place.lines()[0] == "{\"id\":\"whole\"}");
}

TEST_CASE("every call failing once, every death: what was acknowledged is in the file, whole") {
    for (const bool dies : {false, true}) {
        for (std::uint64_t calls = 0;; ++calls) {
            CAPTURE(calls);
            Folder place;
            place.deliver(1, 2);
            bool met = false;
            if (dies) {
                place.disk.on_call([&, left = calls](const SimFileSystem::Call&) mutable {
                    if (left-- != 0) return;
                    place.disk.power_cut();
                    met = true;
                });
            } else {
                place.disk.fail_after(calls, DiskFault::hiccup);
            }
            std::set<std::uint64_t> acknowledged{1, 2};
            for (const std::uint64_t at : {3, 5, 7}) {
                for (const Delivery& delivery : place.deliver(at, at + 1)) {
                    if (delivery.outcome == Outcome::acknowledged)
                        acknowledged.insert(delivery.ticket);
                }
            }
            place.disk.on_call({});
            met = met || place.disk.failed();
            place.disk.mend();
            place.disk.power_cut();
            FileSink next(place.disk, kOutPath);
            next.deliver(9, fired_message(9));
            REQUIRE(next.poll().at(0).outcome == Outcome::acknowledged);
            acknowledged.insert(9);
            std::set<std::string> ids;
            for (const std::string& line : place.lines()) {
                const auto json = parse_json(line);
                if (json && json->find("id")) ids.insert(json->find("id")->string());
            }
            for (const std::uint64_t seq : acknowledged)
                CHECK_MESSAGE(ids.contains(fired_message(seq).id), "lost: " << seq);
            if (!met) break;
        }
    }
}

TEST_CASE(
    "a folder that is not there is an outage that says so, and a later attempt gets through") {
    Folder place;
    FileSink sink(place.disk, "/away/egress.jsonl");
    sink.deliver(1, fired_message(1));
    const auto outcomes = sink.poll();
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].outcome == Outcome::outage);
    CHECK(outcomes[0].reason.starts_with("/away/egress.jsonl: "));
    place.disk.put("/away/x", "");
    sink.deliver(2, fired_message(1));
    CHECK(sink.poll().at(0).outcome == Outcome::acknowledged);
}

}  // namespace
}  // namespace se
