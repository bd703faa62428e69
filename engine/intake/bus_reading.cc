#include "engine/intake/bus_reading.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/intake/batch_form.h"
#include "engine/intake/utf8.h"
#include "engine/tracing.h"

namespace se {
namespace {

constexpr std::size_t kEventDepth = 512;        // of what is passed on or looked into
constexpr std::size_t kCorrelationBytes = 512;  // of an id that is only told along; more is cut
constexpr std::size_t kSubjectBytes = 1024;  // of what is passed on: a server takes 4096 with all around it
constexpr std::string_view kPending = "PENDING";
constexpr std::string_view kSkipped = "SKIP";

Json* changeable(Json& object, std::string_view name) {
    return const_cast<Json*>(std::as_const(object).find(name));
}

std::string member_text(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string() : std::string();
}

/// As much of a text as fits, without control characters.
std::string tame(std::string_view text, std::size_t bytes_max) {
    if (!is_utf8(text)) return {};
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const auto c = next_code_point(text, &at);
        if (!c || is_control(*c)) continue;
        if (out.size() + (at - begin) > bytes_max) break;
        out += text.substr(begin, at - begin);
    }
    return out;
}

/// The key that a producer gave a message of its own, as far as it can be an id; else empty.
std::string idempotency_key(const BusHeaders& headers, const Limits& limits) {
    const std::string_view key = bus_header(headers, "idempotencykey");
    return key.size() <= limits.id_bytes && tame(key, key.size()) == key ? std::string(key) : "";
}

ParsedProposal refused_message(Code code, std::string message, std::string pointer = {}) {
    ParsedProposal parsed;
    parsed.refusal = {.code = code, .message = std::move(message), .pointer = std::move(pointer)};
    return parsed;
}

/// One mutation of a batch as a proposal of its own.
ParsedProposal proposal_of(const Json& batch, Json mutation, std::size_t index,
                           const Limits& limits) {
    const std::string pointer = "/mutations/" + std::to_string(index);
    const auto put_pointer = [&](std::string_view below) { return pointer + std::string(below); };
    if (!mutation.is_object())
        return refused_message(Code::malformed, "a mutation must be an object", pointer);
    Json one = Json(Json::Object{{"mutations", Json(Json::Array{std::move(mutation)})}});
    for (const char* name : {"actor", "metadata", "reason", "source", "ts"})
        if (const Json* const value = batch.find(name)) one.set(name, *value);
    BatchForm form;
    if (const Status adopted = form.adopt(one, 1); !adopted)
        return refused_message(Code::malformed, adopted.error().text,
                               put_pointer(std::string_view(adopted.error().pointer).substr(12)));
    Json proposal = std::move(changeable(one, "ops")->array()[0]);
    for (const char* name : {"actor", "metadata", "reason", "ts"}) {
        const Json* const value = one.find(name);
        if (value != nullptr && proposal.find(name) == nullptr) proposal.set(name, *value);
    }
    ParsedProposal parsed = proposal_of_json(std::move(proposal), limits);
    if (!parsed.proposal) parsed.refusal.pointer = put_pointer(parsed.refusal.pointer);
    return parsed;
}

bool is_event(const Json& json) {
    const Json* const routing = json.find("routing");
    return member_text(json, "v") == "2" && routing != nullptr && routing->is_object();
}

/// The server's own subjects are no destination: a request to them would be carried out with our rights. One
/// too long for its protocol would cost us the connection, again and again.
bool goes_on_to(std::string_view subject) {
    return is_bus_subject(subject) && subject.size() <= kSubjectBytes && !subject.starts_with('$') &&
           !subject.starts_with("_INBOX.");
}

/// Where an event goes from here: the first step of its slip that waits, then what it is for. Steps
/// that wait and lead here are done with: it is here.
std::optional<BusReading::Onward> advance(Json event, const BusSubjects& subjects) {
    std::string to;
    Json* const slip = changeable(*changeable(event, "routing"), "slip");
    if (slip != nullptr && slip->is_array()) {
        for (Json& step : slip->array()) {
            if (member_text(step, "status") != kPending) continue;
            const std::string topic = member_text(step, "nextTopic");
            if (topic.empty()) continue;
            if (subjects.subject(topic) == subjects.intake()) {
                step.set("status", kSkipped);
                continue;
            }
            to = topic;
            break;
        }
    }
    if (const Json* const egress = event.find("egress"); to.empty() && egress != nullptr)
        to = member_text(*egress, "destination");
    std::string subject = subjects.subject(to);
    if (to.empty() || !goes_on_to(subject) || subject == subjects.intake()) return std::nullopt;
    return BusReading::Onward{std::move(subject), to_text(event)};
}

}  // namespace

std::string BusSubjects::problem(std::string_view prefix) {
    if (prefix.empty()) return {};
    const std::string shown = "'" + std::string(prefix) + "'";
    if (!prefix.ends_with('.')) return "must end with its dot, or be empty: " + shown + " does not";
    prefix.remove_suffix(1);
    if (!is_bus_subject(prefix) || prefix.starts_with('$'))
        return "must be tokens of a subject, each with a dot behind it: " + shown + " is not";
    const std::size_t half = (prefix.size() - 1) / 2;
    if (prefix.size() % 2 == 1 && prefix[half] == '.' &&
        prefix.substr(0, half) == prefix.substr(half + 1))
        return "says the same twice: " + shown + "; it is put before a topic once, by us";
    return {};
}

std::string BusSubjects::subject(std::string_view topic) const {
    if (topic.starts_with(prefix_)) return std::string(topic);
    return prefix_ + std::string(topic);
}

std::string_view BusSubjects::topic(std::string_view subject) const {
    return subject.starts_with(prefix_) ? subject.substr(prefix_.size()) : subject;
}

std::vector<std::string> BusSubjects::of_stream() const {
    if (!prefix_.empty()) return {prefix_ + ">"};
    return {"internal.state.>", "internal.egress.v1", "internal.deadletter.v1",
            "internal.mcp.registration.v1"};
}

bool is_bus_subject(std::string_view subject) {
    if (subject.empty() || subject.starts_with('.') || subject.ends_with('.')) return false;
    if (subject.find("..") != subject.npos) return false;
    return std::ranges::none_of(subject, [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '*' || c == '>' || c == '\x7f';
    });
}

std::string bus_subject_of_key(std::string_view key) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    bool empty = true;  // the token that is being written
    for (const char c : key) {
        if (c == '.') {
            if (empty) out += '%';
            out += '.';
            empty = true;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte == 0x7f || c == '%' || c == '*' || c == '>') {
            out += '%';
            out += kDigits[byte >> 4];
            out += kDigits[byte & 15];
        } else {
            out += c;
        }
        empty = false;
    }
    if (empty) out += '%';
    return out;
}

std::string made_id(const BusMessage& message, const BusStream& stream) {
    // Of a stream made anew under its name the sequences begin again.
    std::string id = stream.name + "@" + stream.created + "/" + std::to_string(message.sequence);
    if (message.anew) id += "~" + std::to_string(message.time);
    return id;
}

std::string claim_of(const BusMessage& message) {
    std::string claim;
    JsonObject(claim).text("original", readable(message.payload, kOriginalBytes)).close();
    return claim;
}

BusReading read_bus_message(const BusMessage& message, const BusStream& stream,
                            const BusSubjects& subjects, const Limits& limits) {
    BusReading reading;
    if (const auto trace = bus_header(message.headers, "traceparent"); is_traceparent(trace))
        reading.trace = trace;
    std::string correlation = tame(bus_header(message.headers, "correlationid"), kCorrelationBytes);
    const auto json = parse_json(message.payload, kEventDepth);
    if (json && correlation.empty()) {
        correlation = tame(member_text(*json, "correlationId"), kCorrelationBytes);
        if (const Json* const metadata = json->find("metadata");
            correlation.empty() && metadata != nullptr)
            correlation = tame(member_text(*metadata, "correlationId"), kCorrelationBytes);
    }
    reading.correlation_id = correlation;

    std::string batch_id;
    if (!json) {
        reading.proposals.push_back(refused_message(
            Code::malformed, "the message is no JSON: " + json.error().text, json.error().pointer));
    } else if (is_event(*json)) {
        reading.onward = advance(*json, subjects);
        if (reading.onward) return reading;
        reading.proposals.push_back(refused_message(
            Code::malformed,
            "an event, and no proposal: its slip names no step that waits, and its egress no "
            "destination that it could go on to",
            "/routing/slip"));
    } else if (BatchForm::fits(*json)) {
        const Json& list = *json->find("mutations");
        batch_id = member_text(*json, "id");
        if (!list.is_array() || list.array().empty()) {
            reading.proposals.push_back(refused_message(
                Code::malformed, "mutations must be a list that is not empty", "/mutations"));
        } else {
            for (std::size_t i = 0; i < list.array().size(); ++i)
                reading.proposals.push_back(proposal_of(*json, list.array()[i], i, limits));
        }
    } else {
        reading.proposals.push_back(proposal_of_json(*json, limits));
    }

    const std::size_t count = reading.proposals.size();
    const std::string key = idempotency_key(message.headers, limits);
    for (std::size_t i = 0; i < count; ++i) {
        ParsedProposal& parsed = reading.proposals[i];
        std::string& id = parsed.proposal ? parsed.proposal->id : parsed.refusal.id;
        if (!batch_id.empty() && id.empty())
            id = tame(batch_id, limits.id_bytes - 12) + ":" + std::to_string(i);
        if (!key.empty() && id.empty())
            id = count == 1 ? key : tame(key, limits.id_bytes - 12) + ":" + std::to_string(i);
        if (id.empty()) {
            id = made_id(message, stream);
            if (count > 1) id += "/" + std::to_string(i);
        }
        if (!parsed.proposal && reading.claim.empty()) reading.claim = claim_of(message);
        std::string& cause = reading.causes.emplace_back();
        JsonObject object(cause);
        object.text("type", "message")
            .text("stream", stream.name)
            .text("created", stream.created)
            .integer("sequence", message.sequence);
        if (count > 1) object.integer("index", i).integer("of", count);
        if (!correlation.empty()) object.text("correlationId", correlation);
        if (!parsed.proposal) {
            object.text("topic", tame(subjects.topic(message.subject), kCorrelationBytes));
            if (const auto type = tame(bus_header(message.headers, "type"), kCorrelationBytes);
                !type.empty())
                object.text("messageType", type);
        }
        object.close();
    }
    return reading;
}

}  // namespace se
