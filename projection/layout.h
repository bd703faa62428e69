#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "journal/journal.h"
#include "journal/journal_reader.h"
#include "projection/fold.h"
#include "projection/projection.h"

/// The bytes of LMDB's rows, the same for the incremental fold and the sorted load. Integers are
/// big-endian where byte order must be their order, else little-endian.
///
///   database  key                                            value
///   state     key                                            entry or tombstone (encode_entry)
///   history   key                                            seq, 8 BE; one value a change
///   ids       Identity::key, or reused_identity()            content 16 ‖ seq, 8 LE
///   ttl       deadline, ms, 8 BE, top bit flipped ‖ key      version, 8 LE
///   held, pending, buckets   empty so far: their room in the format
///   meta      "format"                                       kProjectionFormat
///             "store"                                        the store's id
///             "live"                                         number of live keys, 8 LE
///             "watermark"                                    seq, epoch, ts, segment, end: 8 LE
///             each;
///                                                            then Frontier::to_bytes()
namespace se::layout {

inline constexpr std::string_view kProjectionFormat = "state-engine-projection/1";
inline constexpr std::string_view kFormatRow = "format";
inline constexpr std::string_view kStoreRow = "store";
inline constexpr std::string_view kLiveRow = "live";
inline constexpr std::string_view kWatermarkRow = "watermark";

std::string big_endian(std::uint64_t value);
std::string little_endian(std::uint64_t value);
std::uint64_t from_big_endian(std::string_view bytes);     ///< needs 8
std::uint64_t from_little_endian(std::string_view bytes);  ///< needs 8

std::string ttl_key(Time deadline, std::string_view key);
struct TtlKey {
    Time deadline;
    std::string_view key;
};
std::optional<TtlKey> parse_ttl_key(std::string_view bytes);

std::string_view bytes_of(const Hash16& hash);
std::string bound_row(const Hash16& content, Seq seq);
std::optional<Snapshot::Bound> parse_bound_row(std::string_view bytes);

std::string encode_watermark(const Position& position);
Result<Position> decode_watermark(std::string_view bytes);
/// Only what a reader asks for: {seq, epoch}.
std::optional<Cursor> cursor_of_watermark(std::string_view bytes);

}  // namespace se::layout
