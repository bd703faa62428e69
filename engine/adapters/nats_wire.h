#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/intake/message_bus.h"

namespace se {

// JetStream's API as texts: what is asked for on which subject, and what the answers mean. Knows no
// connection.

std::string js_stream_info_subject(std::string_view stream);
std::string js_stream_create_subject(std::string_view stream);
inline constexpr std::string_view kJsStreamNamesSubject = "$JS.API.STREAM.NAMES";
std::string js_consumer_info_subject(std::string_view stream, std::string_view durable);
std::string js_consumer_create_subject(std::string_view stream, std::string_view durable);
std::string js_consumer_delete_subject(std::string_view stream, std::string_view durable);
std::string js_consumer_next_subject(std::string_view stream, std::string_view durable);

std::string js_stream_config(const std::string& name, const std::vector<std::string>& subjects);
std::string js_stream_names_request(std::string_view subject);
std::string js_consumer_request(const BusConsumerSpec& spec);
std::string js_next_request(std::uint64_t count, std::chrono::nanoseconds expires);
std::string js_nak(std::chrono::nanoseconds delay);

/// An answer of the server that says no is an Error, with what it asks for (MessageBus).
Result<BusStream> js_stream(std::string_view json);
Result<std::string> js_stream_name(
    std::string_view json);  ///< the first of a list; not_found: an empty one
Result<BusConsumer> js_consumer(std::string_view json);
Result<Ok> js_success(std::string_view json);
Result<BusReceived> js_received(std::string_view json);

/// What the reply subject of a delivery says.
struct JsDelivery {
    std::string stream;
    std::uint64_t deliveries = 0, sequence = 0, delivery = 0, behind = 0;
    std::uint64_t time = 0;  ///< when the message was stored
};
std::optional<JsDelivery> js_delivery(std::string_view reply);

/// A whole number in decimal digits; nothing if it is anything else.
std::optional<std::uint64_t> number_in(std::string_view text);

/// Without user, password or token: for logs and errors.
std::string without_credentials(std::string_view url);

}  // namespace se
