// A rolled segment's index file.

#include "journal/index_file.h"

#include "journal/base/crc32c.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

constexpr std::size_t kCrcBytes = 4;

void check_equal(const SegmentIndex& a, const SegmentIndex& b) {
    SE_ASSERT(a.first == b.first && a.segment_bytes == b.segment_bytes);
    SE_ASSERT(a.entries.size() == b.entries.size());
    for (std::size_t i = 0; i < a.entries.size(); ++i) {
        const IndexEntry &x = a.entries[i], &y = b.entries[i];
        SE_ASSERT(x.seq == y.seq && x.offset == y.offset && x.line_bytes == y.line_bytes);
        SE_ASSERT(x.kind == y.kind && x.leaf == y.leaf && x.id == y.id);
        SE_ASSERT(x.content == y.content && x.keys == y.keys);
    }
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace se;
    const std::string_view bytes = fuzz::text_of(data, size);
    const auto index = decode_index(bytes);
    if (!index) {
        SE_ASSERT(index.error().code == Errc::corruption);
        return 0;
    }
    const std::string written = encode_index(*index);
    SE_ASSERT(written.size() == bytes.size());
    const auto again = decode_index(written);
    SE_ASSERT(again);
    fuzz::check_equal(*index, *again);
    return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    using namespace se::fuzz;
    std::string bytes(text_of(data, size));
    if (size_max <= kCrcBytes || seed % 16 == 0)
        return hand_back(mutated(std::move(bytes), size_max), data, size_max);
    if (bytes.size() >= kCrcBytes) bytes.resize(bytes.size() - kCrcBytes);
    bytes = mutated(std::move(bytes), size_max - kCrcBytes);
    const std::uint32_t crc = se::crc32c(bytes);
    for (std::size_t i = 0; i < kCrcBytes; ++i) bytes += static_cast<char>(crc >> (8 * i));
    return hand_back(bytes, data, size_max);
}
