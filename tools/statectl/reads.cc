#include "tools/statectl/reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/api/target.h"
#include "projection/state_reader.h"
#include "tools/statectl/door.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kTargetBytes = 8u << 10;  ///< of one request: doors take 16 KiB of header
constexpr std::size_t kPage = 1000;

class DaemonReads final : public Reads {
public:
    explicit DaemonReads(Door door) : door_(std::move(door)) {}

    Outcome<std::vector<Found>> get(const std::vector<std::string>& keys) override {
        std::vector<Found> found;
        for (std::size_t next = 0; next < keys.size();) {
            std::string target = "/v1/state";
            do {
                target += (target.back() == 'e' && target.size() == 9) ? '?' : '&';
                target += "key=" + percent_encode(keys[next++]);
            } while (next < keys.size() && target.size() < kTargetBytes);
            SE_TRY(body, body_of(door_.get(target)));
            SE_TRY(objects, objects_in(body));
            const auto rest = behind(objects, body);
            if (rest && rest->find("stale") != nullptr) SE_TRY_OK(say_stale());
            for (const std::string_view object : objects) {
                const auto json = parse_json(object, 1000);
                const std::string code = json ? cell(*json, "code") : "-";
                found.push_back({.json = std::string(object),
                                 .live = code == "-",
                                 .denied = code == se::to_text(Code::actor_not_permitted)});
            }
        }
        if (found.size() != keys.size())
            return Failure(kError, "the daemon answered for another number of keys than asked");
        return found;
    }

    Outcome<Ok> list(const std::string& prefix, const Visit& visit) override {
        std::optional<std::string> seen_at;
        for (std::string after;;) {
            std::string target = fmt::format("/v1/state?prefix={}&limit={}", percent_encode(prefix),
                                             kPage);
            if (!after.empty()) target += "&after=" + percent_encode(after);
            SE_TRY(body, body_of(door_.get(target)));
            SE_TRY(objects, objects_in(body));
            for (const std::string_view object : objects) visit(object);

            const auto json = behind(objects, body);
            const Json* const as_of = json ? json->find("asOf") : nullptr;
            if (json && json->find("stale") != nullptr) SE_TRY_OK(say_stale());
            if (as_of != nullptr) {
                const std::string at = to_text(*as_of);
                if (seen_at && *seen_at != at && !moved_) {
                    moved_ = true;
                    complain("written to while it was listed: pages are of different moments");
                }
                seen_at = at;
            }
            const Json* const next = json ? json->find("next") : nullptr;
            if (next == nullptr || !next->is_string()) return Ok{};
            after = next->string();
        }
    }

    Outcome<std::vector<std::string>> history(const std::string& key, std::size_t limit) override {
        std::vector<std::vector<std::string>> pages;  // newest page first
        std::size_t count = 0;
        for (std::uint64_t before = UINT64_MAX; count < limit;) {
            SE_TRY(body, body_of(door_.get(fmt::format("/v1/history/{}?limit={}&before={}",
                                                       percent_encode(key),
                                                       std::min(limit - count, kPage), before))));
            SE_TRY(lines, objects_in(body));
            if (lines.empty()) break;
            const auto oldest = read_frame(lines.front());
            if (!oldest) return Failure(kError, "the daemon sent a record that does not hold");
            before = oldest->seq.value;
            count += lines.size();
            pages.emplace_back(lines.begin(), lines.end());
            if (before <= 1) break;
        }
        std::vector<std::string> all;
        for (auto page = pages.rbegin(); page != pages.rend(); ++page)
            std::ranges::move(*page, std::back_inserter(all));
        return all;
    }

    Outcome<bool> ends_at_damage() override {
        SE_TRY(damage, damage_at(door_));
        if (damage.empty()) return false;
        if (!std::exchange(said_, true))
            complain("damage: " + damage + "; what is shown is the state before it. See "
                     "`statectl journal verify`");
        return true;
    }

private:
    /// What follows the entries: {"next":…,"asOf":…,"stale":…}
    static Result<Json> behind(const std::vector<std::string_view>& objects, const std::string& body) {
        const std::size_t end =
            objects.empty() ? body.find(']')
                            : static_cast<std::size_t>(objects.back().data() - body.data()) +
                                  objects.back().size();
        std::string tail = body.substr(std::min(body.find(']', end), body.size() - 1) + 1);
        if (tail.starts_with(',')) tail[0] = '{';
        return parse_json(tail);
    }

    /// Why is told once.
    Outcome<Ok> say_stale() {
        if (said_) return Ok{};
        SE_TRY(damaged, ends_at_damage());
        if (!damaged) complain("stale: the daemon serves the state as of the last record it can read");
        said_ = true;
        return Ok{};
    }

    Door door_;
    bool moved_ = false;
    bool said_ = false;  // that it is stale
};

class FileReads final : public Reads {
public:
    FileReads(Context& context, StateReader reader) : context_(context), reader_(std::move(reader)) {}

    Outcome<Ok> refresh() {
        SE_TRY(as_of, reader_.refresh());
        ends_at_damage_ = as_of.damage.has_value();
        if (as_of.damage) {
            const bool inside = as_of.damage->seq <= as_of.seq;  // an erasure that nothing names
            complain(fmt::format("damage: {}; what is shown is the state {}, as of seq {}. See "
                                 "`statectl journal verify`",
                                 to_text(*as_of.damage), inside ? "with it" : "before it", as_of.seq.value));
        } else if (as_of.stale) {
            say_stale(as_of.seq, as_of.why_stale);
        }
        return Ok{};
    }

    Outcome<std::vector<Found>> get(const std::vector<std::string>& keys) override {
        std::vector<Found> found;
        for (const std::string& key : keys) {
            SE_TRY(entry, reader_.get(key));
            Found& one = found.emplace_back();
            one.live = entry && !entry->deleted;
            if (one.live) {
                append_entry_json(one.json, key, *entry);
                continue;
            }
            JsonObject json(one.json);
            json.text("key", key).null("value").integer("version", entry ? entry->version.value : 0);
            if (entry) json.integer("seq", entry->seq.value).boolean("deleted", true);
            json.text("code", se::to_text(Code::not_found)).close();
        }
        return found;
    }

    Outcome<Ok> list(const std::string& prefix, const Visit& visit) override {
        std::string json;
        for (std::string after;;) {
            SE_TRY(entries, reader_.list(prefix, after, kPage));
            for (const auto& [key, entry] : entries) {
                json.clear();
                append_entry_json(json, key, entry);
                visit(json);
            }
            if (entries.size() < kPage) return Ok{};
            after = entries.back().first;
        }
    }

    Outcome<std::vector<std::string>> history(const std::string& key, std::size_t limit) override {
        SE_TRY(seqs, reader_.history(key, Seq{}, limit));
        std::ranges::sort(seqs);
        SE_TRY(reader, JournalReader::open(context_.files, context_.paths()));
        std::vector<std::string> lines;
        for (const Seq seq : seqs) {
            SE_TRY(record, reader.at(seq));
            lines.emplace_back(record->line);
        }
        return lines;
    }

    Outcome<bool> ends_at_damage() override { return ends_at_damage_; }

private:
    Context& context_;
    StateReader reader_;
    bool ends_at_damage_ = false;
};

}  // namespace

Outcome<std::unique_ptr<Reads>> Reads::open(Context& context) {
    SE_TRY(door, find_daemon(context));
    if (door) return std::unique_ptr<Reads>(std::make_unique<DaemonReads>(std::move(*door)));
    SE_TRY_OK(context.need_store());
    SE_TRY(reader, StateReader::open({.files = context.files,
                                      .paths = context.paths(),
                                      .cache_files = context.files,
                                      .cache_directory = context.paths().projection()},
                                     {}));
    auto reads = std::make_unique<FileReads>(context, std::move(reader));
    SE_TRY_OK(reads->refresh());
    return std::unique_ptr<Reads>(std::move(reads));
}

}  // namespace se::statectl
