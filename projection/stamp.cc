#include "projection/stamp.h"

#include "journal/base/crc32c.h"
#include "journal/base/json.h"

namespace se {
namespace {

constexpr std::string_view kFormat = "state-engine-stamp/1";
constexpr std::string_view kFormatFamily = "state-engine-stamp/";
constexpr std::string_view kCrcStart = ",\"crc\":\"";
constexpr std::size_t kCrcTail = 18;  // ,"crc":"hhhhhhhh"}

Error damaged() {
    return Error{Errc::corruption, "STAMP is damaged"};
}

/// The text before the crc's comma, if line and crc are whole.
std::optional<std::string_view> checked(std::string_view line) {
    if (line.size() <= kCrcTail) return std::nullopt;
    const std::string_view before = line.substr(0, line.size() - kCrcTail);
    std::string tail(kCrcStart);
    append_hex32(tail, crc32c(before));
    tail += "\"}";
    return line.ends_with(tail) ? std::optional(before) : std::nullopt;
}

/// All 64 bits, written as a signed integer.
bool take_bits(const Json& json, std::string_view name, std::uint64_t* value) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_integer()) return false;
    *value = static_cast<std::uint64_t>(found->integer());
    return true;
}

bool take(const Json& json, std::string_view name, std::uint64_t* value) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_integer() && found->integer() >= 0 &&
           take_bits(json, name, value);
}

bool take(const Json& json, std::string_view name, std::string* value) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_string()) return false;
    *value = found->string();
    return true;
}

}  // namespace

std::string encode_stamp(const Stamp& stamp) {
    std::string out;
    // Device and inode as signed: JSON integers here are int64, and all 64 bits come back.
    JsonObject(out)
        .text("format", kFormat)
        .integer("generation", stamp.generation)
        .integer("epoch", stamp.epoch.value)
        .text("boot", stamp.identity.boot)
        .text("mount", stamp.identity.mount)
        .signed_integer("device", static_cast<std::int64_t>(stamp.identity.device))
        .signed_integer("inode", static_cast<std::int64_t>(stamp.identity.inode))
        .text("state", stamp.clean ? "clean" : "dirty");
    const std::uint32_t crc = crc32c(out);
    out += kCrcStart;
    append_hex32(out, crc);
    out += "\"}\n";
    return out;
}

Result<Stamp> decode_stamp(std::string_view text) {
    if (!text.ends_with('\n')) return damaged();
    text.remove_suffix(1);
    if (!checked(text)) return damaged();
    const Result<Json> json = parse_json(text);
    std::string format, state;
    if (!json || !take(*json, "format", &format)) return damaged();
    if (format != kFormat) {
        if (!format.starts_with(kFormatFamily)) return damaged();
        return Error{Errc::unsupported, "STAMP has the newer format " + format};
    }
    Stamp stamp;
    FileIdentity& identity = stamp.identity;
    const bool whole =
        take(*json, "generation", &stamp.generation) && take(*json, "epoch", &stamp.epoch.value) &&
        take(*json, "boot", &identity.boot) && take(*json, "mount", &identity.mount) &&
        take_bits(*json, "device", &identity.device) &&
        take_bits(*json, "inode", &identity.inode) && take(*json, "state", &state) &&
        (state == "clean" || state == "dirty");
    if (!whole) return damaged();
    stamp.clean = state == "clean";
    return stamp;
}

std::string stamp_path(const StorePaths& paths) {
    return paths.projection() + "/STAMP";
}

Status write_stamp(FileSystem& files, const StorePaths& paths, const Stamp& stamp) {
    SE_TRY_OK(files.make_directory(paths.projection()));
    return replace_file(files, paths.projection(), "STAMP", encode_stamp(stamp));
}

std::optional<std::string> why_not_trusted(const Stamp& stamp, const FileIdentity& now,
                                           std::optional<Epoch> living_writer) {
    if (stamp.clean) return std::nullopt;
    if (stamp.identity.boot != now.boot)
        return "the machine was started anew since it was last written, and it was not closed";
    if (stamp.identity.device != now.device || stamp.identity.inode != now.inode)
        return "it is a copy, and it was not closed when it was made";
    if (stamp.identity.mount != now.mount && living_writer != stamp.epoch)
        return "the file system was mounted anew since, and it was not closed";
    return std::nullopt;
}

}  // namespace se
