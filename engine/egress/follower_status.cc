#include "engine/egress/follower_status.h"

#include <algorithm>
#include <array>

#include "journal/base/json.h"

namespace se {
namespace {

struct FollowerFamily {
    std::string_view name, type, help;
    void (*append)(std::string& out, const FollowerStatus& status);
};

template <std::uint64_t FollowerStatus::*member>
void append_count(std::string& out, const FollowerStatus& status) {
    append_integer(out, status.*member);
}

constexpr std::array kFollowerFamilies = {
    FollowerFamily{"watermark", "gauge", "Seq up to which the peer has acknowledged everything.",
                   [](std::string& out, const FollowerStatus& status) {
                       append_integer(out, status.watermark.seq.value);
                   }},
    FollowerFamily{"lag_records", "gauge", "Durable records behind the watermark.",
                   append_count<&FollowerStatus::lag>},
    FollowerFamily{"lag_seconds", "gauge", "Age of the first record behind the watermark.",
                   [](std::string& out, const FollowerStatus& status) {
                       append_json_number(out, status.lag_seconds);
                   }},
    FollowerFamily{"delivered_total", "counter", "Messages that the peer acknowledged.",
                   append_count<&FollowerStatus::delivered>},
    FollowerFamily{"retried_total", "counter", "Hand-overs that ended in an outage.",
                   append_count<&FollowerStatus::retried>},
    FollowerFamily{"refused_total", "counter", "Messages that the peer will never take.",
                   append_count<&FollowerStatus::refused>},
    FollowerFamily{"dead_letters", "gauge", "Dead letters that wait for an operator.",
                   append_count<&FollowerStatus::dead_letters>},
    FollowerFamily{"in_flight", "gauge", "Messages handed over and not settled.",
                   append_count<&FollowerStatus::under_way>},
    FollowerFamily{"breaker_state", "gauge", "Circuit breaker: 0 closed, 1 half open, 2 open.",
                   [](std::string& out, const FollowerStatus& status) {
                       append_integer(out, static_cast<std::uint64_t>(status.breaker));
                   }},
    FollowerFamily{"at_head", "gauge", "1: it began at the head without a watermark to believe.",
                   [](std::string& out, const FollowerStatus& status) {
                       out += status.at_head.empty() ? '0' : '1';
                   }},
};

}  // namespace

void measure_lag(FollowerStatus& status, Seq durable) {
    status.lag = std::max(durable, status.watermark.seq).value - status.watermark.seq.value;
}

void append_json(std::string& out, const FollowerStatus& status) {
    JsonObject json(out);
    json.text("name", status.name)
        .boolean("following", status.following)
        .text("watermark", to_text(status.watermark))
        .integer("lag", status.lag)
        .number("lagSeconds", status.lag_seconds)
        .integer("delivered", status.delivered)
        .integer("retried", status.retried)
        .integer("refused", status.refused)
        .integer("deadLetters", status.dead_letters)
        .integer("inFlight", status.under_way)
        .text("breaker", to_text(status.breaker));
    if (status.damaged_letters != 0) json.integer("damagedLetters", status.damaged_letters);
    if (!status.trouble.empty()) json.text("trouble", status.trouble);
    if (!status.at_head.empty()) json.text("atHead", status.at_head);
    json.close();
}

std::string metrics_of(std::span<const FollowerStatus> followers) {
    std::string out;
    if (followers.empty()) return out;
    for (const FollowerFamily& family : kFollowerFamilies) {
        const std::string name = "state_engine_outbound_" + std::string(family.name);
        out += "# HELP " + name + " " + std::string(family.help) + "\n# TYPE " + name + " " +
               std::string(family.type) + "\n";
        for (const FollowerStatus& status : followers) {
            out += name + "{follower=\"" + status.name + "\"} ";
            family.append(out, status);
            out += '\n';
        }
    }
    return out;
}

}  // namespace se
