#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "journal/base/filesystem.h"

namespace se::test {

/// The simulated disk (tests/sim/sim_filesystem.h, which says what each of these does) for tests of the
/// journal, with the little of it that they use.
class SimDisk final : public FileSystem {
public:
    enum class Trouble : std::uint8_t { hiccup, lasting };
    struct Call {
        bool is_write = false;
        bool is_sync = false;
        bool is_rename = false;
        std::string path;
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
    };

    explicit SimDisk(std::uint64_t seed);
    ~SimDisk() override;

    void fail_after(std::uint64_t calls, Trouble trouble, Errc code = Errc::io);
    void mend();
    std::uint64_t calls() const;
    void on_call(std::function<void(const Call&)> hook);
    void crash();
    void power_cut();
    void evict();
    void set_capacity(std::uint64_t bytes);
    void flip_bit(const std::string& path, std::uint64_t bit);
    std::optional<std::string> content(const std::string& path) const;
    std::optional<std::string> durable_content(const std::string& path) const;
    void put(const std::string& path, std::string_view content);

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<bool> exists(const std::string& path) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status remove_tree(const std::string& directory) override;
    Status make_directory(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    Result<std::uint64_t> free_space(const std::string& path) override;
    Result<FileIdentity> identity(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
    Result<bool> is_locked(const std::string& path) override;

private:
    struct Real;
    std::unique_ptr<Real> real_;
};

}  // namespace se::test
