// Who hears of changes: conversations and modern listens, told by the same announcements.

#include "mcp/server_state.h"

namespace se::mcp {
namespace {

/// The `_meta` of what a listen is told: whose it is, and what the announcement says.
std::string meta_of(const Subscription& subscription, std::string_view meta_json) {
    if (subscription.id_json.empty()) return std::string(meta_json);
    std::string out;
    JsonObject(out).raw(kMetaSubscription, subscription.id_json).close();
    if (meta_json.size() > 2) {
        out.back() = ',';
        out += meta_json.substr(1);
    }
    return out;
}

}  // namespace

void ServerState::listen(Asked&& asked) {
    const Json* wanted = asked.params().find("notifications");
    const auto refuse = [&](std::string text) { asked.fail(RpcCode::invalid_params, std::move(text)); };
    if (wanted == nullptr || !wanted->is_object())
        return refuse("notifications says what to hear of: toolsListChanged, promptsListChanged, "
                      "resourcesListChanged, resourceSubscriptions");
    Subscription subscription{.caller = asked.caller,
                              .uris = {},
                              .id_json = asked.message.id_json,
                              .tell = [outlet = asked.outlet.get()](std::string message) {
                                  outlet->tell_change(std::move(message));
                              },
                              .outlet = asked.outlet};
    std::string honored;
    JsonObject agreed(honored);
    const auto flag = [&](std::string_view name, bool Subscription::*which) {
        const Json* member = wanted->find(name);
        if (member == nullptr) return true;
        if (!member->is_bool()) return false;
        subscription.*which = member->boolean() && registry.lists_change;
        if (subscription.*which) agreed.boolean(name, true);
        return true;
    };
    if (!flag("toolsListChanged", &Subscription::tools) ||
        !flag("promptsListChanged", &Subscription::prompts) ||
        !flag("resourcesListChanged", &Subscription::resources))
        return refuse("toolsListChanged, promptsListChanged and resourcesListChanged are true or false");
    if (const Json* uris = wanted->find("resourceSubscriptions")) {
        if (!uris->is_array() || uris->array().size() > kUrisSubscribed)
            return refuse("resourceSubscriptions is a list of at most " + std::to_string(kUrisSubscribed) +
                          " URIs");
        std::string& list = agreed.member("resourceSubscriptions");
        list += '[';
        for (const Json& uri : uris->array()) {
            if (!uri.is_string() || uri.string().size() > kUriBytesMax)
                return refuse("a URI is a string of at most " + std::to_string(kUriBytesMax) + " bytes");
            const bool may = registry.resources_change && registry.resources != nullptr &&
                             registry.resources->may_subscribe(asked.caller, uri.string());
            if (!may || !subscription.uris.insert(uri.string()).second) continue;
            if (list.back() != '[') list += ',';
            append_json_string(list, uri.string());
        }
        list += ']';
    }
    agreed.close();

    std::string params;
    JsonObject(params).raw("_meta", meta_of(subscription, {})).raw("notifications", honored).close();
    const OutletPtr outlet = asked.outlet;
    const std::uint64_t number = ++next_subscription;
    for (const std::string& uri : subscription.uris) add_uri(uri, number);
    subscriptions.emplace(number, std::move(subscription));
    outlet->on_gone = [weak = weak_from_this(), number] {
        if (const auto state = weak.lock()) state->close_subscription(number);
    };
    outlet->say(rpc_notification("notifications/subscriptions/acknowledged", params));
}

void ServerState::subscribe(Asked&& asked) {
    const std::string* uri = text_member(asked.params(), "uri");
    if (uri == nullptr || uri->size() > kUriBytesMax)
        return asked.fail(RpcCode::invalid_params,
                          "uri is a string of at most " + std::to_string(kUriBytesMax) + " bytes");
    if (!registry.resources_change || registry.resources == nullptr)
        return asked.fail(RpcCode::method_not_found, "this server announces no updates", {},
                          Standing::not_found);
    if (!registry.resources->may_subscribe(asked.caller, *uri)) {
        std::string data;
        JsonObject(data).text("uri", *uri).close();
        return asked.fail(RpcCode::resource_not_found, "Resource not found", data);
    }
    const auto found = subscriptions.find(asked.conversation->subscription_);
    SE_ASSERT(found != subscriptions.end());
    auto& uris = found->second.uris;
    if (uris.size() >= kUrisSubscribed && !uris.contains(*uri)) {
        return asked.fail(RpcCode::invalid_params, "all " + std::to_string(kUrisSubscribed) +
                                                       " subscriptions of this conversation are taken");
    }
    uris.insert(*uri);
    add_uri(*uri, found->first);
    asked.answer(answer_to(asked));
}

void ServerState::unsubscribe(Asked&& asked) {
    const std::string* uri = text_member(asked.params(), "uri");
    if (uri == nullptr) return asked.fail(RpcCode::invalid_params, "uri is missing");
    const auto found = subscriptions.find(asked.conversation->subscription_);
    SE_ASSERT(found != subscriptions.end());
    found->second.uris.erase(*uri);
    remove_uri(*uri, found->first);
    asked.answer(answer_to(asked));
}

void ServerState::close_subscription(std::uint64_t number) {
    const auto found = subscriptions.find(number);
    if (found == subscriptions.end()) return;
    for (const std::string& uri : found->second.uris) remove_uri(uri, number);
    subscriptions.erase(found);
}

void ServerState::add_uri(const std::string& uri, std::uint64_t number) {
    auto& numbers = by_uri[uri];
    numbers.insert(number);
    if (numbers.size() == 1) registry.resources->subscribed(uri);
}

void ServerState::remove_uri(const std::string& uri, std::uint64_t number) {
    const auto numbers = by_uri.find(uri);
    if (numbers == by_uri.end()) return;
    numbers->second.erase(number);
    if (!numbers->second.empty()) return;
    by_uri.erase(numbers);
    registry.resources->unsubscribed(uri);
}

void ServerState::lists_changed(bool Subscription::*which, std::string_view method,
                                const std::function<bool(const Caller&)>& may) {
    if (!registry.lists_change) return;
    // Telling may close a subscription: whoever is cut for being slow is gone.
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, subscription] : subscriptions) {
        if (subscription.*which && (!may || may(subscription.caller))) numbers.push_back(number);
    }
    for (const std::uint64_t number : numbers) {
        const auto found = subscriptions.find(number);
        if (found == subscriptions.end()) continue;
        std::string params;
        if (!found->second.id_json.empty())
            JsonObject(params).raw("_meta", meta_of(found->second, {})).close();
        const auto tell = found->second.tell;
        const OutletPtr keep = found->second.outlet;
        tell(rpc_notification(method, params));
    }
}

void ServerState::tell_updated(const Subscription& subscription, std::string_view uri,
                               std::string_view meta_json) const {
    // Permissions may have changed since it subscribed.
    if (!registry.resources->may_subscribe(subscription.caller, uri)) return;
    std::string params;
    JsonObject object(params);
    if (const std::string meta = meta_of(subscription, meta_json); !meta.empty()) object.raw("_meta", meta);
    object.text("uri", uri).close();
    const auto tell = subscription.tell;
    const OutletPtr keep = subscription.outlet;
    tell(rpc_notification("notifications/resources/updated", params));
}

void ServerState::resource_updated(std::string_view uri, std::string_view meta_json) {
    const auto numbers = by_uri.find(std::string(uri));
    if (numbers == by_uri.end()) return;
    const std::vector<std::uint64_t> all(numbers->second.begin(), numbers->second.end());
    for (const std::uint64_t number : all) {
        const auto found = subscriptions.find(number);
        if (found != subscriptions.end()) tell_updated(found->second, uri, meta_json);
    }
}

void ServerState::resync(std::uint64_t number) {
    const auto first = subscriptions.find(number);
    if (first == subscriptions.end()) return;
    const std::vector<std::string> uris(first->second.uris.begin(), first->second.uris.end());
    for (const std::string& uri : uris) {
        const auto found = subscriptions.find(number);
        if (found == subscriptions.end()) return;
        tell_updated(found->second, uri, R"({"resync":true})");
    }
}

void ServerState::drain() {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, subscription] : subscriptions) {
        if (subscription.outlet != nullptr) numbers.push_back(number);
    }
    for (const std::uint64_t number : numbers) {
        const auto found = subscriptions.find(number);
        if (found == subscriptions.end()) continue;
        const OutletPtr outlet = found->second.outlet;
        const std::string id = found->second.id_json;
        close_subscription(number);
        outlet->on_gone = [] {};
        outlet->answer(AnswerText(registry, Revision::v2026_07_28, id).finish(id), Standing::ok);
    }
}

std::size_t ServerState::listens() const {
    std::size_t count = 0;
    for (const auto& [number, subscription] : subscriptions) count += subscription.outlet != nullptr;
    return count;
}

}  // namespace se::mcp
