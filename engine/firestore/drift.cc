#include "engine/firestore/drift.h"

#include <algorithm>
#include <map>

#include "journal/base/json.h"
#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

constexpr std::size_t kEntriesAPage = 300;
constexpr std::size_t kDocumentsAPage = 300;

Error away(const Trouble& trouble) {
    return Error{Errc::unavailable,
                 "Firestore: " + std::string(to_text(trouble.kind)) + ": " + trouble.text};
}

/// The watermark, as far as there is something to compare.
Result<Mark> mark_there(const DriftDoors& doors) {
    const auto got = doors.documents.get({std::string(kWatermarkPath)});
    if (!got) return away(got.error());
    const std::string where = doors.documents.describe();
    const auto& document = got->front();
    const auto mark = document ? mark_of(document->fields) : std::nullopt;
    if (!mark)
        return Error{Errc::unavailable, where +
                                            " has no watermark of ours: `state-engine "
                                            "--firestore-bootstrap` makes it this store's"};
    if (mark->store != doors.store)
        return Error{Errc::unavailable,
                     where + " holds store " + mark->store + ", this is " + doors.store};
    if (mark->bootstrap == Seq{})
        return Error{Errc::unavailable, where + " is being filled: ask again when that is done"};
    return *mark;
}

/// "value, version": the members that are not alike.
std::string unlike(const Fields& is, const Fields& must) {
    std::vector<std::string> names;
    for (const auto& [name, value] : must)
        if (const Value* const found = find(is, name); found == nullptr || *found != value)
            names.push_back(name);
    for (const auto& [name, value] : is)
        if (find(must, name) == nullptr) names.push_back(name);
    std::ranges::sort(names);
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

/// What is wrong with one document, of which `entry` is what the key has now.
std::optional<Drift> compare(const std::string& key, const std::optional<Entry>& entry,
                             const Document* document, Seq passed) {
    const bool live = entry && !entry->deleted;
    const Seq seq = entry ? entry->seq : Seq{};
    Drift drift{.key = key, .kind = Drift::Kind::missing, .seq = seq, .what = {}};
    if (live && document != nullptr) {
        const auto must = state_fields(*entry);
        drift.what = must ? unlike(document->fields, *must) : must.error().text;
        if (drift.what.empty()) return std::nullopt;
        drift.kind = Drift::Kind::changed;
    } else if (document != nullptr) {
        drift.kind = Drift::Kind::extra;
        drift.what = entry ? "the key was deleted" : "the key never was";
    } else if (!live) {
        return std::nullopt;
    }
    if (seq > passed) drift.kind = Drift::Kind::behind;
    return drift;
}

}  // namespace

std::string_view to_text(Drift::Kind kind) {
    switch (kind) {
        case Drift::Kind::missing:
            return "missing";
        case Drift::Kind::extra:
            return "extra";
        case Drift::Kind::changed:
            return "changed";
        case Drift::Kind::behind:
            break;
    }
    return "behind";
}

std::string to_json(const DriftReport& report) {
    std::string out, list = "[";
    for (const Drift& drift : report.found) {
        if (list.back() != '[') list += ',';
        JsonObject json(list);
        json.text("key", drift.key).text("difference", to_text(drift.kind));
        json.integer("seq", drift.seq.value);
        if (!drift.what.empty()) json.text("what", drift.what);
        json.close();
    }
    JsonObject(out)
        .integer("asOf", report.as_of.value)
        .integer("entries", report.entries)
        .integer("documents", report.documents)
        .raw("differences", list + "]")
        .boolean("more", report.more)
        .close();
    return out;
}

Result<DriftReport> find_drift(const DriftDoors& doors, const std::string& prefix,
                               std::size_t found_max, const DriftPart& part) {
    DriftReport report;
    std::string after = part.after;
    for (bool last = false; !last;) {
        // The watermark first: whatever is read later is at least as new. Then what looks wrong is
        // looked at by what the key has after all that: if its record is passed, its document had
        // to be there.
        SE_TRY(mark, mark_there(doors));
        report.as_of = mark.seq;
        const std::uint64_t left = part.keys_max - report.entries;
        const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(kEntriesAPage, left));
        SE_TRY(page, doors.state(prefix, after, limit));
        last = page.entries.size() < limit;
        report.entries += page.entries.size();
        std::map<std::string, std::optional<Document>, std::less<>> there;
        for (const auto& [key, entry] : page.entries) there.emplace(key, std::nullopt);
        const std::string end = last ? "" : page.entries.back().first;
        for (std::string from = after;;) {
            const auto listed = doors.documents.list({.collection = std::string(kStateCollection),
                                                      .prefix = prefix,
                                                      .after = from,
                                                      .limit = kDocumentsAPage});
            if (!listed) return away(listed.error());
            bool over = listed->size() < kDocumentsAPage;
            for (const Document& document : *listed) {
                over = over || (!last && document.id() > end);
                if (!last && document.id() > end) break;
                from = document.id();
                there.insert_or_assign(from, document);
                ++report.documents;
            }
            if (over) break;
            if (report.documents < part.keys_max) continue;
            // So many are nobody's that what is behind them is not looked at.
            there.erase(there.upper_bound(from), there.end());
            report.more = true;
            break;
        }
        std::vector<std::string> keys;
        auto entry = page.entries.begin();
        for (const auto& [key, document] : there) {
            const bool has_entry = entry != page.entries.end() && entry->first == key;
            const auto is = has_entry ? std::optional(entry->second) : std::nullopt;
            if (compare(key, is, document ? &*document : nullptr, mark.seq)) keys.push_back(key);
            if (has_entry) ++entry;
        }
        SE_TRY(entries, doors.entries(keys));
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const auto& document = there.at(keys[i]);
            auto drift = compare(keys[i], entries[i], document ? &*document : nullptr, mark.seq);
            if (!drift) continue;
            report.found.push_back(*std::move(drift));
            if (report.found.size() < found_max) continue;
            report.more = !last || i + 1 < keys.size();
            return report;
        }
        if (report.more) return report;
        if (!last && report.entries >= part.keys_max) {
            report.more = true;
            return report;
        }
        after = end;
    }
    return report;
}

}  // namespace se::firestore
