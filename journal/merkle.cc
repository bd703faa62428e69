#include "journal/merkle.h"

#include <bit>
#include <cstring>

namespace se {
namespace {

constexpr std::size_t kSizeBytes = 8;

Hash node(const Hash& left, const Hash& right) {
    return Sha256{}.add(std::string_view("\1", 1)).add(left).add(right).finish();
}

}  // namespace

void Frontier::append(const Hash& leaf) {
    subtrees_.push_back(leaf);
    // Two complete subtrees of one size become one of twice the size: a binary counter's carries.
    for (std::uint64_t carries = size_; (carries & 1) != 0; carries >>= 1) {
        const Hash right = subtrees_.back();
        subtrees_.pop_back();
        subtrees_.back() = node(subtrees_.back(), right);
    }
    ++size_;
}

Hash Frontier::root() const {
    if (subtrees_.empty()) return sha256({});
    Hash hash = subtrees_.back();
    for (std::size_t i = subtrees_.size() - 1; i > 0; --i) hash = node(subtrees_[i - 1], hash);
    return hash;
}

std::string Frontier::to_bytes() const {
    std::string bytes;
    bytes.reserve(kSizeBytes + subtrees_.size() * sizeof(Hash));
    for (std::size_t i = 0; i < kSizeBytes; ++i) {
        bytes += static_cast<char>((size_ >> (8 * i)) & 0xff);
    }
    for (const Hash& hash : subtrees_) {
        bytes.append(reinterpret_cast<const char*>(hash.data()), hash.size());
    }
    return bytes;
}

Result<Frontier> Frontier::from_bytes(std::string_view bytes) {
    Frontier frontier;
    if (bytes.size() >= kSizeBytes) {
        for (std::size_t i = 0; i < kSizeBytes; ++i) {
            frontier.size_ |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
        }
        const auto count = static_cast<std::size_t>(std::popcount(frontier.size_));
        if (bytes.size() == kSizeBytes + count * sizeof(Hash)) {
            frontier.subtrees_.resize(count);
            if (count > 0) {
                std::memcpy(frontier.subtrees_.data(), bytes.data() + kSizeBytes,
                            count * sizeof(Hash));
            }
            return frontier;
        }
    }
    return Error{Errc::corruption, "not a Merkle frontier: its length does not fit its size"};
}

Hash lost_leaf(Seq seq) {
    std::string bytes("\2");
    for (std::size_t i = 0; i < kSizeBytes; ++i) {
        bytes += static_cast<char>((seq.value >> (8 * i)) & 0xff);
    }
    return sha256(bytes);
}

}  // namespace se
