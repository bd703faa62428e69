#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "journal/base/filesystem.h"
#include "journal/base/time_text.h"
#include "journal/head.h"
#include "journal/merkle.h"
#include "journal/paths.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se::test {

/// Files in memory that never fail: for tests of readers that change one byte and read again,
/// thousands of times. May be read from several threads while nobody writes.
class MemoryFiles : public FileSystem {
public:
    std::map<std::string, std::shared_ptr<std::string>> content;
    std::set<std::string> locked;

    std::string& bytes(const std::string& path) {
        auto& file = content[path];
        if (!file) file = std::make_shared<std::string>();
        return *file;
    }

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        if (mode == OpenMode::create) bytes(path);
        const auto found = content.find(path);
        if (found == content.end()) return Error{Errc::not_found, path};
        return std::unique_ptr<File>(std::make_unique<Open>(found->second));
    }
    Result<std::vector<std::string>> list(const std::string& directory) override {
        std::vector<std::string> names;
        for (const auto& [path, file] : content) {
            if (!path.starts_with(directory + "/")) continue;
            const std::string name = path.substr(directory.size() + 1);
            if (name.find('/') == std::string::npos) names.push_back(name);
        }
        return names;
    }
    Result<bool> exists(const std::string& path) override { return content.contains(path); }
    Status rename(const std::string& from, const std::string& to) override {
        content[to] = content[from];
        content.erase(from);
        return Ok{};
    }
    Status remove(const std::string& path) override {
        content.erase(path);
        return Ok{};
    }
    Status remove_tree(const std::string&) override { return Ok{}; }
    Status make_directory(const std::string&) override { return Ok{}; }
    Status sync_directory(const std::string&) override { return Ok{}; }
    Result<std::uint64_t> free_space(const std::string&) override { return std::uint64_t{1} << 40; }
    Result<FileIdentity> identity(const std::string&) override { return FileIdentity{}; }
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
        if (!content.contains(path)) return Error{Errc::not_found, path};
        if (!locked.insert(path).second) return Error{Errc::busy, path};
        return std::unique_ptr<FileLock>(std::make_unique<Lock>(this, path));
    }
    Result<bool> is_locked(const std::string& path) override {
        if (!content.contains(path)) return Error{Errc::not_found, path};
        return locked.contains(path);
    }

private:
    class Open final : public File {
    public:
        explicit Open(std::shared_ptr<std::string> content) : content_(std::move(content)) {}
        Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
            if (offset >= content_->size()) return std::size_t{0};
            const std::size_t size = std::min(into.size(), content_->size() - offset);
            std::memcpy(into.data(), content_->data() + offset, size);
            return size;
        }
        Status write(std::uint64_t offset, std::string_view bytes) override {
            if (content_->size() < offset + bytes.size()) content_->resize(offset + bytes.size());
            std::memcpy(content_->data() + offset, bytes.data(), bytes.size());
            return Ok{};
        }
        Status sync() override { return Ok{}; }
        Status truncate(std::uint64_t size) override {
            content_->resize(size);
            return Ok{};
        }
        Result<std::uint64_t> size() const override { return std::uint64_t{content_->size()}; }

    private:
        std::shared_ptr<std::string> content_;
    };
    class Lock final : public FileLock {
    public:
        Lock(MemoryFiles* files, std::string path) : files_(files), path_(std::move(path)) {}
        ~Lock() override { files_->locked.erase(path_); }

    private:
        MemoryFiles* files_;
        std::string path_;
    };
};

/// A journal written by hand: the formats' own functions and nothing of the writer's logic, so that
/// any state, sound or not, can be made.
struct SmallStore {
    MemoryFiles files;
    StorePaths paths{"/data"};
    std::string store = "3d2c5b1a-0000-4000-8000-000000000001";

    Epoch epoch{10};
    Seq next{1};
    Seq segment;
    std::uint64_t used = 0;  ///< of the active segment
    Frontier tree;
    struct Place {
        Seq segment;
        std::uint64_t offset = 0, end = 0;
    };
    std::map<Seq, Place> places;

    SmallStore() {
        files.bytes(paths.store_file()) = R"({"format":"state-engine-store/1","store":")" + store +
                                          R"(","secret":")" + std::string(64, 'a') + "\"}\n";
    }

    std::string& active() { return files.bytes(paths.segment(segment)); }

    void put(std::string_view line) {
        const std::string framed = "\n" + std::string(line) + "\n";
        if (active().size() < used + framed.size()) active().resize(used + framed.size(), '\n');
        active().replace(used, framed.size(), framed);
        used += framed.size();
    }

    /// Rolls: the segment before is cut to its end, a new one of `bytes` blanks begins.
    void begin_segment(std::size_t bytes = 0) {
        if (segment != Seq{}) active().resize(used);
        segment = next;
        used = 0;
        active() = std::string(bytes, '\n');
        const auto header = [&](std::string_view line) {
            active().replace(0, std::min(active().size(), line.size() + 1),
                             std::string(line) + "\n");
            used = line.size() + 1;
        };
        header(
            encode_segment_header({.store = store, .epoch = epoch, .first = next, .before = tree}));
    }

    RecordDraft draft(std::string text = "value") const {
        RecordDraft draft;
        draft.ts = *time_from_text("2026-11-21T02:00:00.000Z");
        draft.kind = Kind::accepted;
        draft.id = "m" + std::to_string(next.value);
        draft.actor = "a";
        draft.changes = {{"k" + std::to_string(next.value % 3), "set", {next.value}}};
        draft.body = R"({"values":[")" + text + "\"]}";
        return draft;
    }
    /// Appends; `durable` is one behind unless said.
    void add(const RecordDraft& record, std::optional<Seq> durable = {}) {
        std::string line;
        const std::string salt(kSaltHexDigits, static_cast<char>('0' + next.value % 10));
        tree.append(
            encode_record(line, record, next, epoch, durable.value_or(Seq{next.value - 1}), salt));
        put(line);
        places[next] = {segment, used - line.size() - 1, used};
        next = next.next();
    }
    void add_many(std::uint64_t count, std::optional<Seq> durable = {}) {
        for (; count > 0; --count) add(draft(), durable);
    }
    void add_repaired(Seq from, Seq to) {
        RecordDraft note;
        note.ts = *time_from_text("2026-11-21T02:00:00.000Z");
        note.note = "repaired";
        note.body = R"({"from":)" + std::to_string(from.value) + R"(,"to":)" +
                    std::to_string(to.value) + R"(,"sha256":"","pieces":[]})";
        add(note);
    }

    Seq last() const { return Seq{next.value - 1}; }
    Head head_now() const {
        return {.store = store, .epoch = epoch, .durable = last(), .segment = segment, .end = used};
    }
    void write_head() { write_head(head_now()); }
    void write_head(const Head& head) {
        auto file = *HeadFile::open(files, paths.root, paths.head());
        (void)file.write(head);
    }

    /// Overwrites the records' lines with blanks, as a repair does.
    void blank(Seq from, Seq to) {
        for (Seq seq = from; seq <= to; seq = seq.next()) {
            const Place& place = places.at(seq);
            std::string& bytes = files.bytes(paths.segment(place.segment));
            std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(place.offset),
                      bytes.begin() + static_cast<std::ptrdiff_t>(place.end), '\n');
        }
    }
    void flip(Seq seq, std::size_t byte = 20) {
        const Place& place = places.at(seq);
        char& at = files.bytes(paths.segment(place.segment))[place.offset + byte];
        at = static_cast<char>(at ^ 1);
    }
};

/// Three segments, nine records, cleanly closed.
inline SmallStore closed_store(std::uint64_t segment_bytes = 4096) {
    SmallStore small;
    small.begin_segment(segment_bytes);
    small.add_many(3);
    small.begin_segment(segment_bytes);
    small.epoch = {11};
    small.add_many(3);
    small.begin_segment(segment_bytes);
    small.add_many(3);
    small.write_head();
    return small;
}

}  // namespace se::test
