#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "journal/body.h"
#include "journal/journal.h"
#include "journal/record.h"
#include "projection/projection.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"

namespace se {

/// Random decisions as an engine might journal them: every kind of change, ids that repeat,
/// refusals that bind an id and such that do not, notes.
class RandomDrafts {
public:
    explicit RandomDrafts(std::uint64_t seed, std::size_t keys = 40) : random_(seed), keys_(keys) {}

    RecordDraft next() {
        RecordDraft draft;
        draft.ts = now_ += std::chrono::milliseconds(random_.below(2000));
        draft.actor = "actor-" + std::to_string(random_.below(5));
        const std::uint64_t what = random_.below(100);
        if (what < 4) {
            draft.kind = Kind::note;
            draft.note = "imported";
            return draft;
        }
        draft.id = random_.chance(5) ? "id-again" : "id-" + std::to_string(++ids_);
        draft.content = to_hex(first_half(sha256(std::to_string(random_.below(1u << 20)))));
        if (random_.chance(10)) draft.door = "nats";
        if (random_.chance(20)) draft.principal = "principal-" + std::to_string(random_.below(3));
        Body body;
        body.reason = random_.chance(10) ? "because \"it\" said so\n" : "reason";
        if (what < 14) {
            draft.kind = Kind::rejected;
            draft.code = random_.chance(50) ? "absent" : "rate_limited";
            draft.changes.push_back({key(), "delete", Version{0}});
            encode_into(draft, body);
            return draft;
        }
        draft.kind = Kind::accepted;
        if (random_.chance(10)) draft.cause = R"({"rule":"r"})";
        if (random_.chance(30)) body.metadata = R"({"note":"x"})";
        if (random_.chance(30)) body.ttl = 1 + random_.below(100000);
        std::set<std::string> names;
        const std::uint64_t changes = random_.chance(10) ? 1 + random_.below(5) : 1;
        while (names.size() < changes) names.insert(key());
        const bool own_members = random_.chance(10);
        for (const std::string& name : names) {
            const bool gone = live_.contains(name) && random_.chance(25);
            if (gone)
                live_.erase(name);
            else
                live_.insert(name);
            draft.changes.push_back({name, gone ? "delete" : "set", Version{++versions_[name]}});
            body.values.push_back(gone ? "null" : value());
            if (own_members) body.entries.push_back(members());
        }
        encode_into(draft, body);
        return draft;
    }

private:
    static void encode_into(RecordDraft& draft, const Body& body) {
        draft.body.clear();
        encode_body(draft.body, body);
    }
    std::string key() { return "key." + std::to_string(random_.below(keys_)); }
    std::string value() {
        // Some fit a page many times, some fill several.
        const std::size_t size = random_.chance(3) ? random_.below(20000) : random_.below(300);
        return "\"" + std::string(size, static_cast<char>('a' + random_.below(26))) + "\"";
    }
    Body::EntryMembers members() {
        Body::EntryMembers own;
        if (random_.chance(50)) {
            own.ttl = 7;
            own.expires_at = now_ + std::chrono::seconds(random_.below(50));
        }
        return own;
    }

    SimRandom random_;
    std::size_t keys_;
    Time now_ = SimClock::kStart;
    std::uint64_t ids_ = 0;
    std::map<std::string, std::uint64_t> versions_;
    std::set<std::string> live_;
};

/// Such records as the journal would show them, each with the place behind it, without any file.
class History {
public:
    explicit History(std::uint64_t seed, std::size_t records, std::size_t keys = 40) {
        RandomDrafts drafts(seed, keys);
        for (std::size_t i = 0; i < records; ++i) add(drafts.next());
    }

    void add(const RecordDraft& draft) {
        Position position = behind_.empty() ? Position{} : behind_.back();
        position.seq = position.seq.next();
        position.epoch = epoch;
        position.ts = draft.ts;
        position.segment = Seq{1};
        std::string& line = lines_.emplace_back();
        position.frontier.append(encode_record(line, draft, position.seq, position.epoch,
                                               Seq{position.seq.value - 1}, std::string(32, 'a')));
        position.end += line.size() + 2;
        SE_ASSERT(parse_record(line, &views_.emplace_back()));
        behind_.push_back(position);
    }

    std::size_t size() const { return views_.size(); }
    const RecordView& record(std::size_t index) const { return views_[index]; }
    /// The place behind the first `count` records.
    Position behind(std::size_t count) const {
        return count == 0 ? Position{} : behind_[count - 1];
    }
    std::vector<const RecordView*> range(std::size_t from, std::size_t to) const {
        std::vector<const RecordView*> views;
        for (std::size_t i = from; i < to; ++i) views.push_back(&views_[i]);
        return views;
    }

    Epoch epoch{1};

private:
    std::deque<std::string> lines_;
    std::deque<RecordView> views_;
    std::vector<Position> behind_;
};

/// What the projection must hold after some records, computed the slow and obvious way.
struct Model {
    MemoryState state;
    std::map<Hash16, std::pair<Hash16, Seq>> ids;
    std::map<std::string, std::vector<Seq>> history;

    void fold(const RecordView& record) {
        SE_ASSERT(state.fold(record));
        if (record.kind == Kind::accepted)
            for (const auto& change : record.changes)
                history[std::string(change.key)].push_back(record.seq);
        if (const auto identity = identity_of(record)) {
            const auto found = ids.find(identity->key);
            if (found == ids.end())
                ids[identity->key] = {identity->content, record.seq};
            else if (found->second.first != identity->content)
                ids.try_emplace(reused_identity(*identity), identity->content, record.seq);
        }
    }
};

inline Model model_of(const History& history, std::size_t count) {
    Model model;
    for (std::size_t i = 0; i < count; ++i) model.fold(history.record(i));
    return model;
}

/// All that a projection answers. Too long to be printed when a test fails.
struct Description {
    std::string text;
    bool operator==(const Description&) const = default;
};

/// All that a snapshot answers: equal descriptions, equal projections.
inline Description describe(const Snapshot& snapshot, const Model& ask) {
    std::string text = "seq " + std::to_string(snapshot.seq().value) + " epoch " +
                       std::to_string(snapshot.epoch().value) + "\n";
    const auto told = [](const auto& result) {
        SE_ASSERT(result);
        return *result;
    };
    SE_ASSERT(snapshot.scan("", "", [&](std::string_view key, const EntryView& entry) {
        text.append(key) += " ";
        std::string bytes;
        encode_entry(bytes, entry);
        text += to_hex(bytes) + "\n";
        return true;
    }));
    text += "root " + to_hex(told(snapshot.state_root())) + "\n";
    text += "live " + std::to_string(told(snapshot.live_keys())) + "\n";
    for (const auto& due : told(snapshot.due(Time::max(), SIZE_MAX)))
        text += "due " + due.key + " " + std::to_string(due.version.value) + " " +
                std::to_string(due.deadline.time_since_epoch().count()) + "\n";
    for (const auto& [key, bound] : ask.ids) {
        const auto found = told(snapshot.find_identity(key));
        text += "id " + to_hex(key) + " " +
                (found ? to_hex(found->content) + " " + std::to_string(found->seq.value) : "-") +
                "\n";
    }
    for (const auto& [key, seqs] : ask.history) {
        text += "history " + key;
        for (const Seq seq : told(snapshot.history(key, Seq{0}, SIZE_MAX)))
            text += " " + std::to_string(seq.value);
        text += "\n";
    }
    return {std::move(text)};
}

/// The same text, by the model alone.
inline Description describe(const Model& model, Seq seq, Epoch epoch) {
    std::string text =
        "seq " + std::to_string(seq.value) + " epoch " + std::to_string(epoch.value) + "\n";
    Frontier tree;
    std::uint64_t live = 0;
    std::map<std::pair<Time, std::string>, Version> due;
    for (const auto& [key, entry] : model.state.entries()) {
        std::string bytes;
        encode_entry(bytes, entry);
        text += key + " " + to_hex(bytes) + "\n";
        const std::string length{static_cast<char>(key.size() & 255),
                                 static_cast<char>(key.size() >> 8)};
        tree.append(sha256(std::string(1, '\0') + length + key + bytes));
        if (entry.deleted) continue;
        ++live;
        if (entry.expires_at) due[{*entry.expires_at, key}] = entry.version;
    }
    text += "root " + to_hex(tree.root()) + "\n";
    text += "live " + std::to_string(live) + "\n";
    for (const auto& [when, version] : due)
        text += "due " + when.second + " " + std::to_string(version.value) + " " +
                std::to_string(when.first.time_since_epoch().count()) + "\n";
    for (const auto& [key, bound] : model.ids)
        text += "id " + to_hex(key) + " " + to_hex(bound.first) + " " +
                std::to_string(bound.second.value) + "\n";
    for (const auto& [key, seqs] : model.history) {
        text += "history " + key;
        for (auto newest = seqs.rbegin(); newest != seqs.rend(); ++newest)
            text += " " + std::to_string(newest->value);
        text += "\n";
    }
    return {std::move(text)};
}

}  // namespace se
