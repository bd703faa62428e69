#include "journal/torn_head.h"

#include "journal/head.h"

namespace se {

Result<bool> head_is_torn(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read);
    if (!file) {
        if (file.error().code == Errc::not_found) return false;
        return file.error();
    }
    for (const std::uint64_t slot : {std::uint64_t{0}, kHeadBlockBytes}) {
        std::string bytes(kHeadSlotBytes, '\0');
        SE_TRY(size, (*file)->read(slot, std::span(bytes)));
        bytes.resize(size);
        const bool blank = bytes.find_first_not_of('\n') == std::string::npos;
        if (!blank && !decode_head_slot(bytes)) return true;
    }
    return false;
}

}  // namespace se
