#include "engine/egress/watermark.h"

#include "journal/follower_mark.h"

namespace se {
namespace {

constexpr std::uint64_t kMarkBytesMax = 64u << 10;

}  // namespace

Result<Watermark::Found> Watermark::load(const std::string& store) const {
    const std::string path = paths_.followers() + "/" + name_;
    const auto bad = [&](const std::string& why) {
        return Found{.kind = Found::Kind::bad, .why = path + " " + why};
    };
    const auto text = read_file(files_, path, kMarkBytesMax);
    if (!text && text.error().code == Errc::not_found) return Found{};
    if (!text && text.error().code == Errc::too_large) return bad("is no watermark");
    if (!text) return text.error();
    const auto mark = parse_follower_mark(*text);
    if (!mark) return bad("is damaged");
    if (mark->store != store) return bad("is of store " + mark->store);
    return Found{.kind = Found::Kind::good, .cursor = {mark->epoch, mark->seq}};
}

Status Watermark::save(const std::string& store, Cursor cursor) {
    return replace_file(files_, paths_.followers(), name_,
                        encode_follower_mark({store, cursor.epoch, cursor.seq}));
}

}  // namespace se
