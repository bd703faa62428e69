#include "tests/sim/sim_history.h"

#include <algorithm>
#include <charconv>

#include "journal/base/json.h"

namespace se::sim {

void History::invoke(const Request& request) {
    if (request.number >= first_) invoked_.try_emplace(request.number, ++now_);
}

void History::answered(const Request& request, const Answer& answer) {
    const auto invoked = invoked_.find(request.number);
    if (invoked == invoked_.end()) return;  // before history was given up
    Event event{.begin = invoked->second, .end = ++now_, .what = request.reason()};
    if (answer.code == Code::none) {
        for (const Answer::Change& change : answer.changes) {
            Event one = event;
            one.is_change = true;
            one.version = change.version.value;
            one.deleted = change.deleted;
            std::size_t ops = 0;
            for (const RequestOp& op : request.ops) {
                if (op.key != change.key) continue;
                one.op = ++ops == 1 ? &op : nullptr;
                if (op.expected_version) one.expected_version = op.expected_version;
            }
            events_[change.key].push_back(std::move(one));
        }
    } else if (answer.code == Code::version_conflict && !answer.duplicate && answer.current &&
               request.ops.size() == 1) {
        const auto current = parse_json(*answer.current);
        const Json* version = current ? current->find("version") : nullptr;
        const Json* value = current ? current->find("value") : nullptr;
        if (version != nullptr && version->is_integer() && value != nullptr) {
            event.version = static_cast<std::uint64_t>(version->integer());
            event.value = to_text(*value);
            events_[request.ops[0].key].push_back(std::move(event));
        }
    }
}

void History::read(const std::string& key, const Entry* entry) {
    ++now_;
    Event event{.begin = now_, .end = now_, .what = "a read"};
    if (entry != nullptr) {
        event.version = entry->version.value;
        event.deleted = entry->deleted;
        if (!entry->deleted) event.value = entry->value;
    } else {
        event.deleted = true;
    }
    events_[key].push_back(std::move(event));
}

void History::check() {
    for (auto& [key, events] : events_) check_key(key, events);
    events_.clear();
}

void History::forget(std::uint64_t requests) {
    events_.clear();
    invoked_.clear();
    first_ = requests;
}

void History::check_key(const std::string& key, std::vector<Event>& events) {
    // A change to version v, then the reads that saw it.
    const auto place = [](const Event& event) { return 2 * event.version + !event.is_change; };
    std::ranges::stable_sort(events, {}, place);

    // Real time: nothing stands behind what began after it had ended.
    std::uint64_t latest_begin = 0;
    const Event* latest = nullptr;
    for (const Event& event : events) {
        must(event.end >= latest_begin, "linearizable", [&] {
            return key + ": " + event.what + " (version " + std::to_string(event.version) +
                   ") had ended before " + latest->what + " (version " +
                   std::to_string(latest->version) + ") began";
        });
        if (event.begin <= latest_begin) continue;
        latest_begin = event.begin;
        latest = &event;
    }

    // Values: each is what its operation makes of the one before, as far as that is known.
    std::uint64_t version = 0;
    bool live_known = true, live = false;
    std::optional<std::string> value;
    for (const Event& event : events) {
        if (event.version != version && !(event.is_change && event.version == version + 1)) {
            live_known = false;  // somebody changed it whom we did not hear of
            value.reset();
        }
        if (event.is_change) {
            must(event.version != version || version == 0, "linearizable",
                 [&] { return key + ": two changes have version " + std::to_string(version); });
            must(!event.expected_version || !live_known ||
                     *event.expected_version == (live ? event.version - 1 : 0),
                 "linearizable", [&] {
                     return key + ": " + event.what + " expected version " +
                            std::to_string(*event.expected_version) + " and made " +
                            std::to_string(event.version);
                 });
            std::optional<std::string> next;
            if (event.op != nullptr && event.op->op == "set") {
                next = event.op->value.text();
            } else if (event.op != nullptr && event.op->op == "increment" && live_known &&
                       (!live || value)) {
                std::int64_t number = 0;
                if (live) std::from_chars(value->data(), value->data() + value->size(), number);
                next = std::to_string(number + event.op->value.number);
            }
            value = next;
            live_known = true;
            live = !event.deleted;
        } else {
            must(!live_known || event.version != version || live == !event.deleted, "linearizable",
                 [&] { return key + ": " + event.what + " sees it deleted, or not"; });
            must(!value || !event.value || *value == *event.value, "linearizable", [&] {
                return key + ": " + event.what + " of version " + std::to_string(event.version) +
                       " sees " + *event.value + ", should be " + *value;
            });
            live_known = true;
            live = !event.deleted;
            if (event.value) value = event.value;
        }
        version = event.version;
    }
}

}  // namespace se::sim
