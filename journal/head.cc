#include "journal/head.h"

#include <array>
#include <tuple>

#include "journal/base/assert.h"
#include "journal/base/json.h"
#include "journal/head_look.h"
#include "journal/record.h"
#include "journal/text_cursor.h"

namespace se {
namespace {

/// What "higher" means between two slots. Equal in (epoch, durable) happens at open and at roll:
/// then the place that lies further on is the newer one.
auto order(const Head& head) {
    return std::tuple(head.epoch, head.durable, head.segment, head.end);
}

/// Which slot counts: 0 or 1; -1 when neither does.
int best_of(const std::array<std::optional<Head>, 2>& slots) {
    if (!slots[0] && !slots[1]) return -1;
    if (!slots[0]) return 1;
    if (!slots[1]) return 0;
    return order(*slots[1]) > order(*slots[0]) ? 1 : 0;
}

std::array<std::optional<Head>, 2> slots_in(std::string_view bytes) {
    std::array<std::optional<Head>, 2> slots;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        const std::size_t at = i * kHeadBlockBytes;
        if (at < bytes.size()) slots[i] = decode_head_slot(bytes.substr(at, kHeadSlotBytes));
    }
    return slots;
}

Result<std::array<std::optional<Head>, 2>> read_slots(const File& file) {
    std::array<char, kHeadBytes> bytes;
    SE_TRY(size, file.read(0, std::span(bytes)));
    return slots_in({bytes.data(), size});
}

std::optional<Head> best_in(std::array<std::optional<Head>, 2> slots) {
    const int best = best_of(slots);
    if (best < 0) return {};
    return std::move(slots[static_cast<std::size_t>(best)]);
}

}  // namespace

std::string encode_head_slot(const Head& head) {
    std::string slot;
    JsonObject object(slot);
    object.text("store", head.store).integer("epoch", head.epoch.value);
    object.integer("durable", head.durable.value).integer("segment", head.segment.value);
    object.integer("end", head.end);
    append_crc_tail(slot, 0);
    SE_ASSERT(slot.size() < kHeadSlotBytes);
    slot.resize(kHeadSlotBytes - 1, ' ');
    slot += '\n';
    return slot;
}

std::optional<Head> decode_head_slot(std::string_view slot_bytes) {
    if (slot_bytes.size() != kHeadSlotBytes || !slot_bytes.ends_with('\n')) return {};
    slot_bytes.remove_suffix(1);
    const std::size_t last = slot_bytes.find_last_not_of(' ');
    const std::string_view line = slot_bytes.substr(0, last == slot_bytes.npos ? 0 : last + 1);
    if (!crc_tail_holds(line)) return {};
    TextCursor cursor(line.substr(0, line.size() - kCrcTailBytes));
    Head head;
    if (!cursor.take("{\"store\":") || !cursor.text(&head.store) || !cursor.take(",\"epoch\":") ||
        !cursor.integer(&head.epoch.value) || !cursor.take(",\"durable\":") ||
        !cursor.integer(&head.durable.value) || !cursor.take(",\"segment\":") ||
        !cursor.integer(&head.segment.value) || !cursor.take(",\"end\":") ||
        !cursor.integer(&head.end) || !cursor.at_end()) {
        return {};
    }
    return head;
}

std::optional<Head> read_head(const File& file, Status* status) {
    auto slots = read_slots(file);
    if (!slots) {
        *status = slots.error();
        return {};
    }
    *status = Ok{};
    return best_in(*std::move(slots));
}

std::optional<Head> best_head(std::string_view bytes) {
    return best_in(slots_in(bytes));
}

Result<std::optional<Head>> read_head(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read);
    if (!file) {
        if (file.error().code == Errc::not_found) return std::optional<Head>{};
        return file.error();
    }
    Status status = Ok{};
    std::optional<Head> head = read_head(**file, &status);
    SE_TRY_OK(std::move(status));
    return head;
}

Result<bool> head_is_held(FileSystem& files, const std::string& path) {
    auto locked = files.is_locked(path);
    if (!locked && locked.error().code == Errc::not_found) return false;
    return locked;
}

Result<HeadFile> HeadFile::open(FileSystem& files, const std::string& root,
                                const std::string& path) {
    HeadFile head;
    SE_TRY(file, files.open(path, OpenMode::create));
    head.file_ = std::move(file);
    SE_TRY(size, head.file_->size());
    constexpr std::uint64_t kFileBytes = 2 * kHeadBlockBytes;
    if (size < kFileBytes) {
        const std::string blank(static_cast<std::size_t>(kFileBytes - size), '\n');
        SE_TRY_OK(head.file_->write(size, blank));
        SE_TRY_OK(head.file_->sync());
        SE_TRY_OK(files.sync_directory(root));
    }
    SE_TRY(slots, read_slots(*head.file_));
    const int best = best_of(slots);
    head.next_slot_ = best == 0 ? 1 : 0;
    if (best < 0) return head;
    // What counts may be a dead process's last word, in the kernel's memory alone; and the next
    // write takes the other slot, the one that was synced. So it is made durable first, written
    // again as J3 asks.
    head.next_slot_ = best;
    SE_TRY_OK(head.write(*slots[static_cast<std::size_t>(best)]));
    SE_TRY_OK(head.sync());
    return head;
}

Status HeadFile::write(const Head& head) {
    const std::string slot = encode_head_slot(head);
    SE_TRY_OK(file_->write(static_cast<std::uint64_t>(next_slot_) * kHeadBlockBytes, slot));
    next_slot_ = 1 - next_slot_;
    current_ = head;
    return Ok{};
}

Status HeadFile::sync() {
    return file_->sync();
}

}  // namespace se
