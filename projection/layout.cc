#include "projection/layout.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace se::layout {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::uint64_t kTopBit = 1ull << 63;  // flipped, signed times sort as bytes do
constexpr std::size_t kWatermarkNumbers = 5;

std::uint64_t number_at(std::string_view bytes, std::size_t index) {
    return from_little_endian(bytes.substr(8 * index, 8));
}

Time time_of(std::uint64_t ms) {
    return Time(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}
std::uint64_t ms_of(Time time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

}  // namespace

std::string big_endian(std::uint64_t value) {
    return little_endian(std::byteswap(value));
}

std::string little_endian(std::uint64_t value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

std::uint64_t from_big_endian(std::string_view bytes) {
    return std::byteswap(from_little_endian(bytes));
}

std::uint64_t from_little_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    SE_ASSERT(bytes.size() == sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

std::string ttl_key(Time deadline, std::string_view key) {
    return big_endian(ms_of(deadline) ^ kTopBit).append(key);
}

std::optional<TtlKey> parse_ttl_key(std::string_view bytes) {
    if (bytes.size() < 8) return std::nullopt;
    return TtlKey{time_of(from_big_endian(bytes.substr(0, 8)) ^ kTopBit), bytes.substr(8)};
}

std::string_view bytes_of(const Hash16& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string bound_row(const Hash16& content, Seq seq) {
    return std::string(bytes_of(content)) + little_endian(seq.value);
}

std::optional<Snapshot::Bound> parse_bound_row(std::string_view bytes) {
    Snapshot::Bound bound;
    if (bytes.size() != bound.content.size() + 8) return std::nullopt;
    std::ranges::copy(bytes.substr(0, bound.content.size()), bound.content.begin());
    bound.seq = Seq{from_little_endian(bytes.substr(bound.content.size()))};
    return bound;
}

std::string encode_watermark(const Position& position) {
    std::string bytes;
    for (const std::uint64_t number : {position.seq.value, position.epoch.value, ms_of(position.ts),
                                       position.segment.value, position.end})
        bytes += little_endian(number);
    return bytes + position.frontier.to_bytes();
}

Result<Position> decode_watermark(std::string_view bytes) {
    if (bytes.size() < 8 * kWatermarkNumbers)
        return Error{Errc::corruption, "projection: the watermark is damaged"};
    SE_TRY(frontier, Frontier::from_bytes(bytes.substr(8 * kWatermarkNumbers)));
    return Position{.seq = Seq{number_at(bytes, 0)},
                    .epoch = Epoch{number_at(bytes, 1)},
                    .ts = time_of(number_at(bytes, 2)),
                    .segment = Seq{number_at(bytes, 3)},
                    .end = number_at(bytes, 4),
                    .frontier = std::move(frontier)};
}

std::optional<Cursor> cursor_of_watermark(std::string_view bytes) {
    if (bytes.size() < 8 * kWatermarkNumbers) return std::nullopt;
    return Cursor{.epoch = Epoch{number_at(bytes, 1)}, .seq = Seq{number_at(bytes, 0)}};
}

}  // namespace se::layout
