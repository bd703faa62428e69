#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/statectl/outcome.h"

namespace se::statectl {

/// Bytes of a stream as they come: appends some to `out`; nothing more appended means the end.
using ByteSource = std::function<Outcome<Ok>(std::string& out)>;

/// The plain bytes of `source`: gzip and zstd are recognised by their first bytes (several frames or
/// members behind each other too), anything else is passed on as it is. Needs a few hundred KiB, however
/// long the stream; a zstd window over 128 MiB is refused.
///
/// The one module that knows zlib and zstd.
class Decompressor {
public:
    explicit Decompressor(ByteSource source);
    ~Decompressor();

    /// Appends the next piece to `out`, about 256 KiB at most; false at the end. A stream that is cut short or
    /// damaged is a Failure.
    Outcome<bool> more(std::string& out);
    /// "gzip", "zstd" or "": known after the first more().
    std::string_view format() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace se::statectl
