// HEAD: two slots of which at most one counts.

#include "journal/head.h"

#include <algorithm>
#include <tuple>

#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

std::string slot_at(std::string_view bytes, std::size_t index) {
    const std::size_t at = std::min<std::size_t>(index * kHeadBlockBytes, bytes.size());
    return std::string(bytes.substr(at, kHeadSlotBytes));
}

std::string_view trimmed(std::string_view slot) {
    const std::size_t last = slot.find_last_not_of(" \n");
    return slot.substr(0, last == slot.npos ? 0 : last + 1);
}

void check_slot(std::string_view slot) {
    const auto head = decode_head_slot(slot);
    if (!head) return;
    const std::string written = encode_head_slot(*head);
    SE_ASSERT(written.size() == kHeadSlotBytes);
    SE_ASSERT(decode_head_slot(written) == head);
}

void check_file(std::string_view bytes) {
    Status status = Ok{};
    const auto head = read_head(TextFile(bytes), &status);
    SE_ASSERT(status);
    std::optional<Head> best;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto slot = decode_head_slot(slot_at(bytes, i));
        if (!slot) continue;
        const auto rank = [](const Head& h) {
            return std::tuple(h.epoch, h.durable, h.segment, h.end);
        };
        if (!best || rank(*slot) > rank(*best)) best = slot;
    }
    SE_ASSERT(head == best);
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = se::fuzz::text_of(data, size);
    se::fuzz::check_file(bytes);
    se::fuzz::check_slot(se::fuzz::slot_at(bytes, 0));
    return 0;
}

/// One slot changed, sealed and padded again; the other as it was.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    using namespace se::fuzz;
    std::string bytes(text_of(data, size));
    if (size_max < 2 * se::kHeadBlockBytes || seed % 16 == 0)
        return hand_back(mutated(std::move(bytes), size_max), data, size_max);
    bytes.resize(2 * se::kHeadBlockBytes, '\n');
    const std::size_t index = seed / 16 % 2;
    const std::string before = slot_at(bytes, index);
    std::string line = sealed(mutated(std::string(without_crc_tail(trimmed(before))), 400));
    line.resize(se::kHeadSlotBytes - 1, ' ');
    line += '\n';
    bytes.replace(index * se::kHeadBlockBytes, line.size(), line);
    return hand_back(bytes, data, size_max);
}
