// STAMP: which generation of LMDB counts.

#include "projection/stamp.h"

#include "tests/fuzz/fuzzing.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace se;
    const auto stamp = decode_stamp(fuzz::text_of(data, size));
    if (!stamp) {
        SE_ASSERT(stamp.error().code == Errc::corruption ||
                  stamp.error().code == Errc::unsupported);
        return 0;
    }
    const auto again = decode_stamp(encode_stamp(*stamp));
    SE_ASSERT(again);
    SE_ASSERT(*again == *stamp);
    SE_ASSERT(!why_not_trusted(*stamp, stamp->identity, std::nullopt));
    return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    using namespace se::fuzz;
    std::string text(text_of(data, size));
    if (size_max < 2 * kTailBytes || seed % 16 == 0)
        return hand_back(mutated(std::move(text), size_max), data, size_max);
    if (text.ends_with('\n')) text.pop_back();
    text = mutated(std::string(without_crc_tail(text)), size_max - kTailBytes - 1);
    return hand_back(sealed(text) + "\n", data, size_max);
}
