#include "tools/statectl/watch.h"

#include <fmt/format.h>

#include <thread>

#include "engine/api/target.h"
#include "engine/change_feed.h"
#include "journal/journal_reader.h"
#include "tools/statectl/door.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::chrono::milliseconds kPoll{100};          // files: how often HEAD is looked at
constexpr std::chrono::milliseconds kReconnect{500};
constexpr std::chrono::seconds kFeedPatience{15};        // the daemon says something every 5 s
constexpr std::size_t kRecordsAtOnce = 256;

class Watcher {
public:
    Watcher(Context& context, const WatchOptions& options) : context_(context), options_(options) {}

    Outcome<int> run() {
        if (!options_.since.empty()) {
            cursor_ = cursor_from_text(options_.since);
            if (!cursor_) {
                return Failure(kUsage, fmt::format("--since {}: not a place; it is EPOCH.SEQ, as a "
                                                   "watch says when it ends",
                                                   options_.since));
            }
        }
        catch_interrupts();
        bool lost = false;
        while (!over()) {
            auto door = find_daemon(context_);
            if (!door && (!lost || door.error().exit != kUnavailable)) return door.error();
            if (!door) {
                pause(kReconnect);
                continue;
            }
            if (!*door && context_.url.empty()) {
                SE_TRY_OK(context_.need_store());
                SE_TRY_OK(follow_files());
                continue;
            }
            auto ended = follow_daemon(**door);
            if (!ended && ended.error().exit != kUnavailable) return ended.error();
            if (over()) break;
            if (!lost && !context_.url.empty()) complain("the daemon is away; waiting for it");
            lost = true;
            pause(kReconnect);
        }
        if (context_.form() == Form::json) changes_.finish();
        if (cursor_) complain("to go on from here: --since " + to_text(*cursor_));
        return kOk;
    }

private:
    bool over() const { return interrupted() || (options_.count != 0 && shown_ >= options_.count); }

    static void pause(std::chrono::milliseconds time) {
        if (!interrupted()) std::this_thread::sleep_for(time);
    }

    void show(std::string_view change) {
        if (over()) return;
        ++shown_;
        if (context_.form() != Form::table) {
            changes_.add(change);
        } else if (const auto json = parse_json(change, 1000)) {
            const Json* const entry = json->find("entry");
            const bool live = entry != nullptr && entry->is_object();
            print_table({"", "", "", "", ""},
                        {{live ? cell(*entry, "seq") : "-", cell(*json, "key"),
                          live ? "v" + cell(*entry, "version") : "deleted",
                          live ? cell(*entry, "updatedBy") : "-",
                          live ? json_cell(*entry, "value") : "-"}},
                        false);
        }
        (void)flush_output();
    }

    void show_resync() {
        complain(fmt::format("resync: history behind {} is another one now; what was shown of keys "
                             "changed since is void, list them anew",
                             cursor_ ? to_text(*cursor_) : "the start"));
    }

    // --- the daemon's feed: server-sent events

    Outcome<Ok> follow_daemon(Door& door) {
        std::string target = "/v1/changes?prefix=" + percent_encode(options_.prefix);
        if (cursor_) target += "&since=" + to_text(*cursor_);
        std::string rest;
        SE_TRY(reply, door.stream({.target = target}, kFeedPatience, [&](std::string_view piece) {
            rest += piece;
            std::size_t from = 0;
            for (std::size_t end; (end = rest.find("\n\n", from)) != rest.npos; from = end + 2)
                take_event(std::string_view(rest).substr(from, end - from));
            rest.erase(0, from);
            return !over();
        }));
        if (reply.status != 200) return failure_of(reply);
        return Ok{};
    }

    void take_event(std::string_view event) {
        std::string_view id, name, data;
        while (!event.empty()) {
            const std::string_view line = event.substr(0, event.find('\n'));
            event.remove_prefix(std::min(line.size() + 1, event.size()));
            if (line.starts_with("id: ")) id = line.substr(4);
            if (line.starts_with("event: ")) name = line.substr(7);
            if (line.starts_with("data: ")) data = line.substr(6);
        }
        if (over()) return;
        if (name == "change") show(data);
        if (name == "resync") show_resync();
        if (const auto reached = cursor_from_text(id)) cursor_ = reached;
    }

    // --- the files

    /// The newest record's place. A run that has just begun is in HEAD before it has a record: HEAD's epoch may
    /// be none of any record yet.
    static Result<Cursor> newest_of(JournalReader& reader) {
        SE_TRY(durable, reader.durable());
        if (durable == Seq{}) return Cursor{};
        SE_TRY(record, reader.at(durable));
        return Cursor{record->epoch, record->seq};
    }

    Outcome<Ok> follow_files() {
        if (!told_stale_) told_stale_ = say_if_stale(context_).has_value();
        SE_TRY(reader, JournalReader::open(context_.files, context_.paths()));
        if (!cursor_) {
            SE_TRY(newest, newest_of(reader));
            cursor_ = newest;
        }
        for (int polls = 0; !over(); ++polls) {
            SE_TRY(durable, reader.durable());
            SE_TRY(changes, changes_from_journal(reader, &*cursor_, durable, options_.prefix,
                                                 kRecordsAtOnce));
            for (const auto& event : changes.events) {
                if (over()) break;
                show(event->text);
                if (over()) cursor_ = Cursor{event->epoch, event->seq};
            }
            if (changes.resync) show_resync();
            if (changes.more || over()) continue;
            // A daemon tells sooner than polling does.
            if (polls % 10 == 9) {
                SE_TRY(door, find_daemon(context_));
                if (door) return Ok{};
            }
            pause(kPoll);
        }
        return Ok{};
    }

    Context& context_;
    const WatchOptions& options_;
    std::optional<Cursor> cursor_;
    Items changes_{context_.form(), {}, {}};  // as JSON; a table's rows are printed one by one
    std::uint64_t shown_ = 0;
    bool told_stale_ = false;
};

}  // namespace

Outcome<int> watch(Context& context, const WatchOptions& options) {
    return Watcher(context, options).run();
}

}  // namespace se::statectl
