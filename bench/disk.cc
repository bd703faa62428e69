#include "bench/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/store.h"

namespace se::bench {
namespace {

struct Descriptor {
    int fd;
    explicit Descriptor(const std::string& path) : fd(::open(path.c_str(), O_RDWR | O_CREAT, 0600)) {
        if (fd < 0) {
            std::perror(path.c_str());
            std::exit(1);
        }
    }
    ~Descriptor() { ::close(fd); }
};

void write_all(int fd, const std::string& bytes, std::uint64_t offset) {
    if (::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(bytes.size())) {
        std::perror("pwrite");
        std::exit(1);
    }
}

}  // namespace

double disk_overwrite(const std::string& folder, std::uint64_t group, std::uint64_t record_bytes,
                      double seconds) {
    constexpr std::uint64_t kFileBytes = 64u << 20;
    const Descriptor file(folder + "/disk");
    write_all(file.fd, std::string(kFileBytes, '\n'), 0);
    ::fdatasync(file.fd);
    const std::string bytes(group * record_bytes, 'x');
    std::uint64_t offset = 0, groups = 0;
    const double start = seconds_now();
    double now = start;
    while (now - start < seconds) {
        if (offset + bytes.size() > kFileBytes) offset = 0;
        write_all(file.fd, bytes, offset);
        if (::fdatasync(file.fd) != 0) std::perror("fdatasync");
        offset += bytes.size();
        ++groups;
        now = seconds_now();
    }
    return static_cast<double>(groups * group) / (now - start);
}

double page_cache_write(const std::string& folder, std::uint64_t chunk, std::uint64_t bytes) {
    const Descriptor file(folder + "/cache");
    const std::string content(chunk, 'x');
    for (std::uint64_t offset = 0; offset < bytes; offset += chunk) {
        write_all(file.fd, content, offset);
    }
    ::fdatasync(file.fd);
    const double start = seconds_now();
    for (std::uint64_t offset = 0; offset < bytes; offset += chunk) {
        write_all(file.fd, content, offset);
    }
    const double took = seconds_now() - start;
    ::fdatasync(file.fd);
    return static_cast<double>(bytes) / took;
}

}  // namespace se::bench
