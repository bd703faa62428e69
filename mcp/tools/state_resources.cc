#include "mcp/tools/state_resources.h"

#include <algorithm>
#include <charconv>

#include "engine/api/target.h"
#include "engine/intake/proposal.h"
#include "engine/record_rights.h"
#include "journal/base/canary.h"
#include "journal/base/json_depth.h"
#include "mcp/tools/records.h"

namespace se::mcp {
namespace {

constexpr std::string_view kStateScheme = "state://";
constexpr std::string_view kLogScheme = "state-log://";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kLines = "application/x-ndjson";
constexpr std::size_t kCompletions = 100;
constexpr std::size_t kRecordsAtOnce = 256;

std::string uri_of(std::string_view key) { return std::string(kStateScheme) + percent_encode(key); }

/// What stands where a key belongs.
std::optional<std::string> name_in(std::string_view uri) {
    if (!uri.starts_with(kStateScheme)) return std::nullopt;
    auto name = percent_decode(uri.substr(kStateScheme.size()));
    if (!name) return std::nullopt;
    return *std::move(name);
}

std::optional<std::string> key_of(std::string_view uri, const Limits& limits) {
    auto key = name_in(uri);
    if (key && !key_problem(*key, limits).empty()) return std::nullopt;
    return key;
}

std::optional<Seq> seq_of(std::string_view uri) {
    if (!uri.starts_with(kLogScheme)) return std::nullopt;
    const std::string_view text = uri.substr(kLogScheme.size());
    if (text.starts_with('0')) return std::nullopt;  // one way to write a seq; none is 0
    std::uint64_t seq = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seq);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return Seq{seq};
}

ResourceOutcome not_found() { return {.kind = ResourceOutcome::Kind::not_found, .contents = {}}; }

ResourceOutcome fault(const Error& error) {
    return {.kind = ResourceOutcome::Kind::fault, .contents = {}, .message = error.text};
}

}  // namespace

Result<ResourcePage> StateResources::list(const Caller& caller, std::string_view after, std::size_t limit) {
    if (!after.empty() && !key_problem(after, door_.limits()).empty())
        return Error{Errc::malformed, "no such page"};
    SE_TRY_OK(door_.refresh());
    start_following();
    SE_TRY(keys, keys_seen(door_, caller, "", after, limit + 1));
    ResourcePage page;
    for (const std::string& key : keys) {
        if (page.resources.size() == limit) {
            page.next = page.resources.back().name;
            break;
        }
        page.resources.push_back({.uri = uri_of(key), .name = key, .mime_type = std::string(kJson)});
    }
    return page;
}

void StateResources::read(ToolContextPtr context, std::string uri,
                          std::function<void(ResourceOutcome)> done) {
    if (const auto key = key_of(uri, door_.limits())) return done(read_state(*context, uri, *key));
    if (const auto from = seq_of(uri)) return done(read_log(*context, uri, *from));
    done(not_found());
}

ResourceOutcome StateResources::read_state(const ToolContext& context, const std::string& uri,
                                           const std::string& key) {
    if (!may_see(context.caller, key)) return not_found();
    const auto as_of = door_.refresh();
    if (!as_of) return fault(as_of.error());
    const auto entry = door_.get(key);
    if (!entry) return fault(entry.error());
    if (!*entry || (*entry)->deleted) return not_found();
    std::string text, meta;
    append_entry_json(text, key, **entry);
    JsonObject object(meta);
    object.integer("version", (*entry)->version.value);
    append_as_of(object, *as_of);
    object.close();
    return {.contents = {{.uri = uri,
                          .mime_type = std::string(kJson),
                          .text = indented(text),
                          .meta_json = std::move(meta)}}};
}

ResourceOutcome StateResources::read_log(const ToolContext& context, const std::string& uri, Seq from) {
    const auto as_of = door_.refresh();
    if (!as_of) return fault(as_of.error());
    std::string text;
    std::size_t records = 0;
    Seq next = from;
    const auto read = door_.records(from, [&](const RecordView& record) {
        if (record.seq > as_of->seq) return false;
        text += may_read(context.caller, record) ? std::string(record.line) : withheld(record);
        text += '\n';
        next = record.seq.next();
        return ++records < kLogRecords && text.size() < kLogBytes;
    });
    if (!read) return fault(read.error());
    std::string meta;
    JsonObject object(meta);
    object.text("next", std::string(kLogScheme) + std::to_string(next.value));
    object.boolean("more", next <= as_of->seq);
    append_as_of(object, *as_of);
    object.close();
    return {.contents = {{.uri = uri,
                          .mime_type = std::string(kLines),
                          .text = std::move(text),
                          .meta_json = std::move(meta)}}};
}

bool StateResources::may_list(const Caller& caller, std::string_view uri) {
    const auto key = key_of(uri, door_.limits());
    return key && may_see(caller, *key);
}

bool StateResources::may_subscribe(const Caller& caller, std::string_view uri) {
    if (const auto key = key_of(uri, door_.limits())) return may_see(caller, *key);
    return seq_of(uri).has_value();
}

void StateResources::subscribed(std::string_view uri) {
    if (auto key = name_in(uri)) {
        keys_[*std::move(key)].emplace(uri);
    } else {
        logs_.emplace(uri);
    }
    start_following();
}

void StateResources::unsubscribed(std::string_view uri) {
    if (const auto key = name_in(uri)) {
        const auto uris = keys_.find(*key);
        if (uris == keys_.end()) return;
        uris->second.erase(std::string(uri));
        if (uris->second.empty()) keys_.erase(uris);
    } else {
        logs_.erase(std::string(uri));
    }
}

// --- changes

void StateResources::start_following() {
    if (following_ || announce_ == nullptr) return;
    const auto as_of = door_.refresh();
    if (!as_of) return;
    following_ = true;
    cursor_ = {as_of->epoch, as_of->seq};
    door_.follow([this] { look_for_changes(); });
}

void StateResources::look_for_changes() {
    const Cursor before = cursor_;
    const auto is_void = door_.is_void(&cursor_);
    if (is_void && *is_void) announce_->resync();
    for (bool more = true; more;) {
        const auto changes = door_.changes_since(&cursor_, "", kRecordsAtOnce);
        if (!changes) {
            // The journal does not read here. What was told so far is no longer all there is.
            if (const auto as_of = door_.refresh()) cursor_ = {as_of->epoch, as_of->seq};
            return announce_->resync();
        }
        std::vector<std::string> other;
        for (const auto& event : changes->events) {
            tell(*event);
            if (comes_or_goes(*event)) other.push_back(uri_of(event->key));
        }
        if (!other.empty()) announce_->resources_changed(other);
        if (changes->resync) announce_->resync();
        more = changes->more;
    }
    if (cursor_ == before) return;
    std::string meta;
    JsonObject(meta).integer("epoch", cursor_.epoch.value).integer("seq", cursor_.seq.value).close();
    const auto logs = logs_;
    for (const std::string& uri : logs) announce_->resource_updated(uri, meta);
}

/// A key whose tombstone had a version is new again, too: told as another list once too often rather than not.
bool StateResources::comes_or_goes(const ChangeEvent& event) {
    return event.text.find("\"entry\":null") != std::string::npos ||
           event.text.find(",\"previousVersion\":0,") != std::string::npos;
}

void StateResources::tell(const ChangeEvent& event) {
    const auto subscribed = keys_.find(event.key);
    if (subscribed == keys_.end()) return;
    if (canary(Canary::notice_left_out) && event.seq.value % 16 == 0) return;
    const auto told = parse_json(event.text, kJsonDepthTrusted);
    if (!told) return;
    const Json* previous = told->find("previousVersion");
    const Json* id = told->find("id");
    std::string meta;
    JsonObject object(meta);
    object.integer("epoch", event.epoch.value).integer("seq", event.seq.value);
    if (previous != nullptr && previous->is_integer())
        object.integer("version", static_cast<std::uint64_t>(previous->integer()) + 1);
    if (id != nullptr && id->is_string()) object.text("mutationId", id->string());
    object.close();
    const auto uris = subscribed->second;  // telling may end a subscription
    for (const std::string& uri : uris) announce_->resource_updated(uri, meta);
}

Completion complete_key(StateDoor& door, const Caller& caller, std::string_view typed) {
    Completion completion;
    if (!door.refresh()) return completion;
    auto keys = keys_seen(door, caller, typed, "", kCompletions + 1);
    if (!keys) return completion;
    completion.values = *std::move(keys);
    completion.has_more = completion.values.size() > kCompletions;
    if (completion.has_more) completion.values.pop_back();
    for (const std::string& allowed : door.allowed_keys()) {
        if (completion.values.size() == kCompletions) break;
        const bool exact = !allowed.ends_with('*');
        if (exact && allowed.starts_with(typed) && may_see(caller, allowed) &&
            std::ranges::find(completion.values, allowed) == completion.values.end())
            completion.values.push_back(allowed);
    }
    if (!completion.has_more) completion.total = completion.values.size();
    return completion;
}

}  // namespace se::mcp
