#include "journal/head_look.h"

#include <cstring>

namespace se {

Result<bool> HeadLook::look(FileSystem& files, const std::string& path) {
    std::array<char, kHeadBytes> bytes;
    std::size_t size = 0;
    auto file = files.open(path, OpenMode::read);
    if (!file && file.error().code != Errc::not_found) return std::move(file).error();
    if (file) {
        SE_TRY(got, (*file)->read(0, std::span(bytes)));
        size = got;
    }
    // What lies between the slots is nobody's.
    const auto same = [&](std::size_t slot) {
        return std::memcmp(bytes.data() + slot, bytes_.data() + slot, kHeadSlotBytes) == 0;
    };
    const bool whole = size == kHeadBytes && size_ == kHeadBytes;
    if (looked_ && size == size_ && (size == 0 || (whole && same(0) && same(kHeadBlockBytes))))
        return false;
    bytes_ = bytes;
    size_ = size;
    looked_ = true;
    head_ = best_head(std::string_view(bytes_.data(), size_));
    return true;
}

}  // namespace se
