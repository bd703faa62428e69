#include "engine/adapters/nats_wire.h"

#include <charconv>

#include "journal/base/json.h"

namespace se {
namespace {

constexpr std::string_view kApi = "$JS.API.";
constexpr std::size_t kAnswerDepth = 128;
constexpr std::uint64_t kAccountIsFull = 10'002;  // "resource limits exceeded for account": a 400
constexpr std::int64_t kDuplicateWindow = 120'000'000'000;  // as every stream without a setting has

std::string api(std::string_view verb, std::string_view stream, std::string_view durable = {}) {
    std::string subject = std::string(kApi) + std::string(verb) + "." + std::string(stream);
    if (!durable.empty()) subject += "." + std::string(durable);
    return subject;
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : std::string();
}

std::uint64_t number_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_integer() && member->integer() > 0
               ? static_cast<std::uint64_t>(member->integer())
               : 0;
}

bool is_true(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_bool() && member->boolean();
}

const Json& part_of(const Json& json, std::string_view name) {
    static const Json kNone = Json(Json::Object{});
    const Json* const member = json.find(name);
    return member != nullptr ? *member : kNone;
}

/// The tree of an answer, or what its `error` asks for.
Result<Json> answer(std::string_view text) {
    SE_TRY(json, parse_json(text, kAnswerDepth));
    const Json* const error = json.find("error");
    if (error == nullptr) return std::move(json);
    const std::uint64_t code = number_of(*error, "code");
    const std::uint64_t which = number_of(*error, "err_code");
    const std::string said = text_of(*error, "description") + " (" + std::to_string(which) + ")";
    if (code == 404) return Error{Errc::not_found, said};
    // 5xx: no leader, no storage, no memory, limits reached. 408 and 429: too slow, too many at once. It
    // passes, or somebody makes it pass.
    const bool passes = code == 0 || code >= 500 || code == 408 || code == 429;
    if (passes || which == kAccountIsFull) return Error{Errc::unavailable, said};
    return Error{Errc::malformed, said};
}

}  // namespace

std::string js_stream_info_subject(std::string_view stream) {
    return api("STREAM.INFO", stream);
}
std::string js_stream_create_subject(std::string_view stream) {
    return api("STREAM.CREATE", stream);
}
std::string js_consumer_info_subject(std::string_view stream, std::string_view durable) {
    return api("CONSUMER.INFO", stream, durable);
}
std::string js_consumer_create_subject(std::string_view stream, std::string_view durable) {
    return api("CONSUMER.DURABLE.CREATE", stream, durable);
}
std::string js_consumer_delete_subject(std::string_view stream, std::string_view durable) {
    return api("CONSUMER.DELETE", stream, durable);
}
std::string js_consumer_next_subject(std::string_view stream, std::string_view durable) {
    return api("CONSUMER.MSG.NEXT", stream, durable);
}

std::string js_stream_config(const std::string& name, const std::vector<std::string>& subjects) {
    std::string out;
    JsonObject config(out);
    config.text("name", name)
        .raw("subjects", to_text(Json(Json::Array(subjects.begin(), subjects.end()))))
        .text("retention", "limits")
        .signed_integer("max_consumers", -1)
        .signed_integer("max_msgs", -1)
        .signed_integer("max_bytes", -1)
        .signed_integer("max_age", 0)
        .signed_integer("max_msgs_per_subject", -1)
        .signed_integer("max_msg_size", -1)
        .text("discard", "old")
        .text("storage", "file")
        .integer("num_replicas", 1)
        .signed_integer("duplicate_window", kDuplicateWindow)
        .close();
    return out;
}

std::string js_stream_names_request(std::string_view subject) {
    std::string out;
    JsonObject(out).text("subject", subject).close();
    return out;
}

std::string js_consumer_request(const BusConsumerSpec& spec) {
    std::string config;
    JsonObject json(config);
    json.text("durable_name", spec.durable)
        .text("deliver_policy", spec.start == 0 ? "all" : "by_start_sequence");
    if (spec.start != 0) json.integer("opt_start_seq", spec.start);
    json.text("ack_policy", "explicit")
        .signed_integer("ack_wait", spec.ack_wait.count())
        .signed_integer("max_deliver", -1)
        .text("filter_subject", spec.filter_subject)
        .text("replay_policy", "instant")
        .integer("max_ack_pending", spec.ack_pending_max);
    if (!spec.deliver_subject.empty()) json.text("deliver_subject", spec.deliver_subject);
    if (!spec.deliver_group.empty()) json.text("deliver_group", spec.deliver_group);
    json.close();
    std::string out;
    JsonObject(out).text("stream_name", spec.stream).raw("config", config).close();
    return out;
}

std::string js_next_request(std::uint64_t count, std::chrono::nanoseconds expires) {
    std::string out;
    JsonObject(out).integer("batch", count).signed_integer("expires", expires.count()).close();
    return out;
}

std::string js_nak(std::chrono::nanoseconds delay) {
    std::string out = "-NAK ";
    JsonObject(out).signed_integer("delay", delay.count()).close();
    return out;
}

Result<BusStream> js_stream(std::string_view json) {
    SE_TRY(info, answer(json));
    const Json& config = part_of(info, "config");
    const Json& state = part_of(info, "state");
    BusStream stream{.name = text_of(config, "name"),
                     .subjects = {},
                     .created = text_of(info, "created"),
                     .first = number_of(state, "first_seq"),
                     .last = number_of(state, "last_seq")};
    if (const Json* const subjects = config.find("subjects"); subjects && subjects->is_array()) {
        for (const Json& subject : subjects->array())
            if (subject.is_string()) stream.subjects.push_back(subject.string());
    }
    if (stream.name.empty()) return Error{Errc::unavailable, "the server's answer names no stream"};
    return stream;
}

Result<std::string> js_stream_name(std::string_view json) {
    SE_TRY(list, answer(json));
    const Json* const streams = list.find("streams");
    if (streams == nullptr || !streams->is_array() || streams->array().empty() ||
        !streams->array()[0].is_string())
        return Error{Errc::not_found, "no stream has this subject"};
    return streams->array()[0].string();
}

Result<BusConsumer> js_consumer(std::string_view json) {
    SE_TRY(info, answer(json));
    const Json& config = part_of(info, "config");
    return BusConsumer{
        .durable = text_of(info, "name"),
        .filter_subject = text_of(config, "filter_subject"),
        .deliver_subject = text_of(config, "deliver_subject"),
        .deliver_group = text_of(config, "deliver_group"),
        .bound = is_true(info, "push_bound"),
        .ack_wait = std::chrono::nanoseconds(number_of(config, "ack_wait")),
        .ack_floor = number_of(part_of(info, "ack_floor"), "stream_seq"),
        .ack_pending = number_of(info, "num_ack_pending"),
        .pending = number_of(info, "num_pending"),
    };
}

Result<Ok> js_success(std::string_view json) {
    SE_TRY(said, answer(json));
    if (!is_true(said, "success"))
        return Error{Errc::unavailable, "the server does not say that it is done"};
    return Ok{};
}

Result<BusReceived> js_received(std::string_view json) {
    SE_TRY(said, answer(json));
    return BusReceived{.stream = text_of(said, "stream"),
                       .sequence = number_of(said, "seq"),
                       .duplicate = is_true(said, "duplicate")};
}

std::optional<JsDelivery> js_delivery(std::string_view reply) {
    // $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery>.<time>.<pending>, or, of newer
    // servers, $JS.ACK.<domain>.<account>.<stream>.… with a token behind it.
    std::vector<std::string_view> tokens;
    for (std::size_t at = 0; at <= reply.size();) {
        const std::size_t dot = std::min(reply.find('.', at), reply.size());
        tokens.push_back(reply.substr(at, dot - at));
        at = dot + 1;
    }
    if (tokens.size() < 9 || tokens[0] != "$JS" || tokens[1] != "ACK") return std::nullopt;
    const std::size_t first = tokens.size() >= 11 ? 4 : 2;
    const auto deliveries = number_in(tokens[first + 2]);
    const auto sequence = number_in(tokens[first + 3]);
    const auto delivery = number_in(tokens[first + 4]);
    const auto behind = number_in(tokens[first + 6]);
    if (!deliveries || !sequence || !delivery || !behind) return std::nullopt;
    return JsDelivery{.stream = std::string(tokens[first]),
                      .deliveries = *deliveries,
                      .sequence = *sequence,
                      .delivery = *delivery,
                      .behind = *behind,
                      .time = number_in(tokens[first + 5]).value_or(0)};
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string without_credentials(std::string_view url) {
    std::string out;
    for (std::size_t begin = 0; begin <= url.size();) {
        const std::size_t end = std::min(url.find(',', begin), url.size());
        const std::string_view one = url.substr(begin, end - begin);
        const std::size_t scheme = one.find("://");
        const std::size_t host = scheme == one.npos ? 0 : scheme + 3;
        const std::size_t at = one.rfind('@');
        if (!out.empty()) out += ',';
        if (at == one.npos || at < host) {
            out += one;
        } else {
            out += one.substr(0, host);
            out += one.substr(at + 1);
        }
        begin = end + 1;
    }
    return out;
}

}  // namespace se
