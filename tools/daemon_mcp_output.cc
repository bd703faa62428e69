#include "tools/daemon_mcp_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace se {
namespace {

constexpr std::size_t kAskedBytes = 4096;  // what says that it is writable takes so much at once

}  // namespace

HostOutput::HostOutput(int descriptor) : descriptor_(descriptor) {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) return;
    if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
    if (!S_ISFIFO(status.st_mode)) return;
    const std::string again = "/proc/self/fd/" + std::to_string(descriptor_);
    own_ = ::open(again.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (own_ >= 0) kind_ = Kind::pipe;  // another user's pipe may not be opened: then it is asked
}

HostOutput::~HostOutput() {
    if (own_ >= 0) ::close(own_);
}

std::optional<std::size_t> HostOutput::write(std::string_view bytes) {
    ssize_t written = -1;
    switch (kind_) {
        case Kind::pipe:
            written = ::write(own_, bytes.data(), bytes.size());
            break;
        case Kind::socket:
            written = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            break;
        case Kind::other: {
            pollfd out{.fd = descriptor_, .events = POLLOUT, .revents = 0};
            if (::poll(&out, 1, 0) <= 0) return 0;
            const std::string_view some = bytes.substr(0, kAskedBytes);
            written = ::write(descriptor_, some.data(), some.size());
            break;
        }
    }
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    return std::nullopt;
}

}  // namespace se
