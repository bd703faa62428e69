#include "journal/follower_mark.h"

#include "journal/base/crc32c.h"
#include "journal/base/json.h"

namespace se {
namespace {

constexpr std::string_view kMarkCrcMember = ",\"crc\":\"";

bool is_count(const Json* member) {
    return member != nullptr && member->is_integer() && member->integer() >= 0;
}

}  // namespace

std::string encode_follower_mark(const FollowerMark& mark) {
    std::string text;
    JsonObject(text)
        .text("store", mark.store)
        .integer("epoch", mark.epoch.value)
        .integer("seq", mark.seq.value);
    const std::uint32_t crc = crc32c(text);
    text += kMarkCrcMember;
    append_hex32(text, crc);
    return text += "\"}\n";
}

std::optional<FollowerMark> parse_follower_mark(std::string_view text) {
    const auto json = parse_json(text);
    if (!json) return {};
    if (const Json* crc = json->find("crc")) {
        std::uint32_t told = 0;
        const std::size_t end = text.rfind(kMarkCrcMember);
        if (!crc->is_string() || !parse_hex32(crc->string(), &told)) return {};
        if (end == std::string_view::npos || crc32c(text.substr(0, end)) != told) return {};
    }
    const Json* store = json->find("store");
    const Json* epoch = json->find("epoch");
    const Json* seq = json->find("seq");
    if (store == nullptr || !store->is_string() || !is_count(epoch) || !is_count(seq)) return {};
    return FollowerMark{store->string(), Epoch{static_cast<std::uint64_t>(epoch->integer())},
                        Seq{static_cast<std::uint64_t>(seq->integer())}};
}

}  // namespace se
