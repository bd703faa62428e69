#include "tests/sim/sim_documents.h"

#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

std::unexpected<Trouble> say(Trouble::Kind kind, std::string text) {
    return std::unexpected(Trouble{kind, std::move(text)});
}

constexpr std::size_t kPathBytesMax = 1'500;

bool lawful_name(std::string_view name) {
    if (name.empty()) return false;
    return !(name.size() > 4 && name.starts_with("__") && name.ends_with("__"));
}

bool lawful(const Value& value, std::size_t levels, std::size_t path, bool in_array);

/// `path`: bytes of the names above.
bool lawful(const Fields& fields, std::size_t levels, std::size_t path) {
    for (const auto& [name, value] : fields) {
        const std::size_t here = path + (path == 0 ? 0 : 1) + name.size();
        if (!lawful_name(name) || here > kPathBytesMax) return false;
        if (!lawful(value, levels, here, false)) return false;
    }
    return true;
}

bool lawful(const Value& value, std::size_t levels, std::size_t path, bool in_array) {
    if (const auto* items = value.as<Value::Array>()) {
        if (in_array || levels == 0) return false;
        for (const Value& item : *items)
            if (!lawful(item, levels - 1, path, true)) return false;
    }
    if (const auto* map = value.as<Value::Map>())
        return levels > 0 && lawful(*map, levels - 1, path);
    return true;
}

}  // namespace

void SimDocuments::put(const std::string& path, Fields fields) {
    documents_[path] = {std::move(fields), {++ticks_, 0}};
}

std::uint64_t SimDocuments::commits_of(const std::string& path) const {
    const auto at = commits_.find(path);
    return at == commits_.end() ? 0 : at->second;
}

void SimDocuments::settle() {
    for (const auto& writes : std::exchange(late_, {})) static_cast<void>(apply(writes));
}

void SimDocuments::let_late_ones_arrive() {
    for (std::size_t i = 0; i < late_.size();) {
        if (!random_.chance(50)) {
            ++i;
            continue;
        }
        static_cast<void>(apply(late_[i]));
        late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

std::optional<Trouble> SimDocuments::bad_day() {
    ++calls_;
    if (away || random_.chance(faults.away)) return Trouble{Trouble::Kind::away, "away"};
    if (denied) return Trouble{Trouble::Kind::denied, "denied"};
    if (absent) return Trouble{Trouble::Kind::precondition, "no such database"};
    if (random_.chance(faults.throttles)) return Trouble{Trouble::Kind::throttled, "throttled"};
    return std::nullopt;
}

std::optional<Trouble> SimDocuments::refusal(const std::vector<Write>& writes) const {
    for (const Write& write : writes) {
        if (poisoned.contains(write.path) && write.fields)
            return Trouble{Trouble::Kind::refused, write.path + " is poisoned"};
        const std::size_t slash = write.path.find('/');
        if (slash == std::string::npos || !is_legal_id(write.path.substr(slash + 1)))
            return Trouble{Trouble::Kind::refused, write.path + " is no name"};
        if (!write.fields) continue;
        if (!lawful(*write.fields, kLevelsMax, 0))
            return Trouble{Trouble::Kind::refused, write.path + " has a value that cannot be"};
        if (document_bytes(write.path, *write.fields) > kDocumentBytesMax)
            return Trouble{Trouble::Kind::refused, write.path + " is too large"};
    }
    return std::nullopt;
}

Outcome<std::vector<Timestamp>> SimDocuments::apply(const std::vector<Write>& writes) {
    for (const Write& write : writes) {
        const auto held = documents_.find(write.path);
        if (write.when.kind == Precondition::Kind::absent && held != documents_.end())
            return say(Trouble::Kind::precondition, write.path + " is there");
        if (write.when.kind == Precondition::Kind::updated_at &&
            (held == documents_.end() || held->second.update_time != write.when.time))
            return say(Trouble::Kind::precondition, write.path + " is another");
    }
    ++ticks_;
    std::vector<Timestamp> times;
    for (const Write& write : writes) {
        ++commits_[write.path];
        times.push_back({ticks_, 0});
        if (!write.fields) {
            documents_.erase(write.path);
            continue;
        }
        // A write that changes nothing leaves the update time, as the service says of itself.
        const auto held = documents_.find(write.path);
        if (held != documents_.end() && held->second.fields == *write.fields) {
            times.back() = held->second.update_time;
        } else {
            documents_[write.path] = {*write.fields, times.back()};
        }
    }
    return times;
}

Outcome<std::vector<Timestamp>> SimDocuments::commit(const std::vector<Write>& writes) {
    if (auto trouble = bad_day()) return std::unexpected(std::move(*trouble));
    let_late_ones_arrive();
    if (auto trouble = refusal(writes)) return std::unexpected(std::move(*trouble));
    if (random_.chance(faults.aborts)) return say(Trouble::Kind::aborted, "aborted");
    // Only what carries a precondition may be late: a plain write that arrives behind its successor
    // would be another client's.
    if (writes.back().when.kind != Precondition::Kind::none && random_.chance(faults.late)) {
        late_.push_back(writes);
        return say(Trouble::Kind::away, "no answer");
    }
    auto outcome = apply(writes);
    if (outcome && random_.chance(faults.lost_answers))
        return say(Trouble::Kind::away, "no answer");
    return outcome;
}

Outcome<std::vector<std::optional<Document>>> SimDocuments::get(
    const std::vector<std::string>& paths) {
    if (auto trouble = bad_day()) return std::unexpected(std::move(*trouble));
    std::vector<std::optional<Document>> found;
    for (const std::string& path : paths) {
        const auto at = documents_.find(path);
        found.emplace_back();
        if (at != documents_.end())
            found.back() = Document{path, at->second.fields, at->second.update_time};
    }
    let_late_ones_arrive();
    return found;
}

Outcome<std::vector<Document>> SimDocuments::list(const Query& query) {
    if (auto trouble = bad_day()) return std::unexpected(std::move(*trouble));
    std::vector<Document> found;
    const std::string folder = query.collection + "/";
    for (auto at = documents_.lower_bound(folder + std::max(query.prefix, query.after));
         at != documents_.end() && at->first.starts_with(folder + query.prefix); ++at) {
        if (found.size() == query.limit) break;
        if (!query.after.empty() && at->first == folder + query.after) continue;
        found.push_back({at->first, at->second.fields, at->second.update_time});
    }
    return found;
}

}  // namespace se::firestore
