#include "bench/http_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/store.h"

namespace se::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int listen_anywhere(std::uint16_t* port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 1024) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        give_up("cannot listen on loopback");
    }
    *port = ntohs(address.sin_port);
    return fd;
}

int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return -1;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/// Bytes of the first whole message in `text` (head and Content-Length body); 0: not all there yet.
std::size_t message_bytes(std::string_view text) {
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    std::size_t at = text.find("ontent-Length: ");
    if (at == std::string_view::npos) at = text.find("ontent-length: ");
    const std::size_t body = at < head ? std::strtoull(text.data() + at + 15, nullptr, 10) : 0;
    return text.size() >= head + 4 + body ? head + 4 + body : 0;
}

void send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n =
            ::write(fd, bytes.data(), bytes.size());  // to a pipe too; SIGPIPE is ignored
        if (n <= 0) give_up("a connection broke while sending");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void end_process(int pid) {
    if (pid <= 0) return;
    ::kill(pid, SIGTERM);
    int status = 0;
    ::waitpid(pid, &status, 0);
}

void serve_trivially(int listener, std::uint64_t body_bytes) {
    const std::string answer = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        body_bytes, std::string(body_bytes, 'x'));
    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<std::string> received(65536);
    const auto watch = [&](int fd) {
        epoll_event event{EPOLLIN, {.fd = fd}};
        ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    };
    watch(listener);
    std::vector<epoll_event> events(256);
    std::vector<char> buffer(65536);
    for (;;) {
        const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                const int on = 1;
                ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                received[static_cast<std::size_t>(peer)].clear();
                watch(peer);
                continue;
            }
            std::string& text = received[static_cast<std::size_t>(fd)];
            const ssize_t n = ::read(fd, buffer.data(), buffer.size());
            if (n <= 0) {
                ::close(fd);
                continue;
            }
            text.append(buffer.data(), static_cast<std::size_t>(n));
            while (const std::size_t bytes = message_bytes(text)) {
                text.erase(0, bytes);
                send_all(fd, answer);
            }
        }
    }
}

}  // namespace

Daemon::Daemon(const std::string& bin, const std::string& data, std::vector<std::string> more) {
    const int holder = listen_anywhere(&port_);
    ::close(holder);
    std::filesystem::create_directories(data);
    const std::string config = data + ".yaml";
    std::ofstream(config) << "allowedKeys: ['*']\n";
    std::vector<std::string> words = {bin + "/state-engine", "--data", data,  "--config", config,
                                      "--port",              std::to_string(port_)};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const double start = seconds_now();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a benchmark that gives up leaves nothing behind
        const int nothing = ::open("/dev/null", O_WRONLY);
        ::dup2(nothing, 2);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    for (;;) {
        const int fd = connect_to(port_);
        if (fd >= 0) {
            send_all(fd, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
            char answer[64] = {};
            const ssize_t n = ::read(fd, answer, sizeof answer - 1);
            ::close(fd);
            if (n > 12 && std::string_view(answer).substr(9, 3) == "200") break;
        }
        if (seconds_now() - start > 60) give_up("the daemon is not ready after 60 s");
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) give_up("the daemon ended at start");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    seconds_to_ready_ = seconds_now() - start;
}

Daemon::~Daemon() {
    end_process(pid_);
}

std::uint64_t Daemon::anonymous_bytes() const {
    std::ifstream status(fmt::format("/proc/{}/status", pid_));
    std::string line;
    while (std::getline(status, line)) {
        if (line.starts_with("RssAnon:"))
            return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
    }
    return 0;
}

TrivialServer::TrivialServer(std::uint64_t body_bytes) {
    const int listener = listen_anywhere(&port_);
    pid_ = ::fork();
    if (pid_ == 0) serve_trivially(listener, body_bytes);
    ::close(listener);
}

TrivialServer::~TrivialServer() {
    end_process(pid_);
}

Load load(const std::vector<Channel>& channels, std::uint64_t count,
          const std::function<std::string(unsigned)>& request,
          const std::function<std::size_t(std::string_view)>& answer_bytes) {
    struct Client {
        std::string received;
        double sent_at = 0;
    };
    std::vector<Client> clients(channels.size());
    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < channels.size(); ++i) {
        epoll_event event{EPOLLIN, {.u32 = i}};
        ::epoll_ctl(poll, EPOLL_CTL_ADD, channels[i].in, &event);
    }
    std::vector<double> took;
    took.reserve(count);
    std::uint64_t sent = 0;
    const auto send_next = [&](unsigned i) {
        if (sent == count) return;
        ++sent;
        const std::string text = request(i);
        clients[i].sent_at = seconds_now();
        send_all(channels[i].out, text);
    };
    const double start = seconds_now();
    for (unsigned i = 0; i < channels.size(); ++i) send_next(i);
    std::vector<epoll_event> events(256);
    std::vector<char> buffer(1 << 18);
    while (took.size() < count) {
        const int ready =
            ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 10'000);
        if (ready <= 0) give_up("no answer for 10 s");
        for (int e = 0; e < ready; ++e) {
            const unsigned i = events[static_cast<std::size_t>(e)].data.u32;
            Client& client = clients[i];
            const ssize_t n = ::read(channels[i].in, buffer.data(), buffer.size());
            if (n <= 0) give_up("a connection broke");
            client.received.append(buffer.data(), static_cast<std::size_t>(n));
            const std::size_t bytes = answer_bytes(client.received);
            if (bytes == 0) continue;
            client.received.erase(0, bytes);
            took.push_back(seconds_now() - client.sent_at);
            send_next(i);
        }
    }
    const double seconds = seconds_now() - start;
    ::close(poll);
    std::ranges::sort(took);
    return {static_cast<double>(count) / seconds, took[took.size() / 2] * 1e6,
            took[took.size() * 99 / 100] * 1e6};
}

Load http_load(std::uint16_t port, unsigned connections, std::uint64_t count,
               const std::function<std::string(unsigned)>& request) {
    std::vector<Channel> channels(connections);
    for (Channel& channel : channels) {
        channel.in = channel.out = connect_to(port);
        if (channel.in < 0) give_up("cannot connect");
    }
    const Load figures = load(channels, count, request, [](std::string_view text) {
        const std::size_t bytes = message_bytes(text);
        if (bytes != 0 && text.substr(9, 3) != "200") give_up(std::string(text));
        return bytes;
    });
    for (const Channel& channel : channels) ::close(channel.in);
    return figures;
}

}  // namespace se::bench
