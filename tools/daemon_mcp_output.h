#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace se {

/// A stream to the host that never waits for it. The descriptor belongs to whoever started us, so
/// its flags stay as they are: a pipe is opened once more without waiting, a socket is told with
/// each message, and whatever else there is (a terminal, a file) is asked before each write.
class HostOutput {
public:
    explicit HostOutput(int descriptor);
    ~HostOutput();
    HostOutput(const HostOutput&) = delete;
    HostOutput& operator=(const HostOutput&) = delete;

    /// How many bytes went out; 0: none can now. Nothing: nobody reads any more.
    std::optional<std::size_t> write(std::string_view bytes);

private:
    enum class Kind : std::uint8_t { pipe, socket, other };
    const int descriptor_;
    Kind kind_ = Kind::other;
    int own_ = -1;  // the pipe, opened once more
};

}  // namespace se
