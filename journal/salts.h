#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "journal/base/hash.h"
#include "journal/base/random.h"
#include "journal/record.h"

namespace se {

/// Salts for records, as hex digits, drawn from the random door many at a time: a call into the
/// kernel for each would cost as much as hashing the record.
class Salts {
public:
    explicit Salts(Random& random) : random_(random) {}

    /// One that was never given before. Valid until the next call.
    std::string_view next() {
        if (at_ == hex_.size()) {
            std::string bytes(kAtOnce * kSaltHexDigits / 2, '\0');
            random_.fill(std::as_writable_bytes(std::span(bytes)));
            hex_ = to_hex(bytes);
            at_ = 0;
        }
        const std::string_view salt = std::string_view(hex_).substr(at_, kSaltHexDigits);
        at_ += kSaltHexDigits;
        return salt;
    }

private:
    static constexpr std::size_t kAtOnce = 64;

    Random& random_;
    std::string hex_;
    std::size_t at_ = 0;
};

}  // namespace se
