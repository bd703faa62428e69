#include "tests/shim/power_cut.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "journal/base/assert.h"
#include "tests/shim/undo_log.h"

namespace se::test {
namespace {

namespace fs = std::filesystem;

struct Entry {
    EntryHead head;
    std::uint64_t index = 0;  // as `covers` counts
    std::string path, other, saved, before, after;
};

std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}
void write_content(const std::string& path, const std::string& content) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << content;
    out.flush();
    SE_ASSERT(out.good());
}

std::vector<Entry> read_log(const std::string& log) {
    const std::string bytes = content_of(log);
    std::string_view rest = bytes;
    std::vector<Entry> entries;
    while (rest.size() >= sizeof(EntryHead)) {
        Entry entry;
        std::memcpy(&entry.head, rest.data(), sizeof(EntryHead));
        const EntryHead& head = entry.head;
        const std::uint64_t more = std::uint64_t{head.path_bytes} + head.other_bytes +
                                   head.saved_bytes + head.before_bytes + head.after_bytes;
        if (rest.size() - sizeof(EntryHead) < more) break;
        rest.remove_prefix(sizeof(EntryHead));
        const auto take = [&](std::uint64_t size) {
            std::string piece(rest.substr(0, size));
            rest.remove_prefix(size);
            return piece;
        };
        entry.path = take(head.path_bytes);
        entry.other = take(head.other_bytes);
        entry.saved = take(head.saved_bytes);
        entry.before = take(head.before_bytes);
        entry.after = take(head.after_bytes);
        entries.push_back(std::move(entry));
        entries.back().index = entries.size();
    }
    return entries;
}

class Cut {
public:
    Cut(const std::string& data, const std::string& log, std::mt19937_64& chance)
        : data_(data), log_(log), chance_(chance), entries_(read_log(log)) {
        mood_ = chance_() % 5;
    }

    PowerCut carry_out() {
        // Files first: an inode is found by any name that it still has, a lost one's not at all.
        cut_files();
        cut_names();
        scribble_projection();
        return cut_;
    }

private:
    bool coin() { return chance_() % 2 == 0; }
    /// One cut loses everything that it may, the next nothing, most a part.
    bool keeps() { return mood_ <= 1 ? false : mood_ == 2 ? true : coin(); }

    void cut_files() {
        std::map<std::uint64_t, std::vector<const Entry*>> pending;
        for (const Entry& entry : entries_) {
            const EntryHead& head = entry.head;
            auto& list = pending[head.inode];
            if (head.kind == EntryKind::create) list.clear();  // an inode that was used before
            if (head.kind == EntryKind::write || head.kind == EntryKind::truncate)
                list.push_back(&entry);
            if (head.kind == EntryKind::sync)
                std::erase_if(list, [&](const Entry* e) { return e->index <= head.covers; });
        }
        for (const std::string& root : {data_, log_ + ".saved"}) {
            for (const auto& file : fs::recursive_directory_iterator(root)) {
                if (!file.is_regular_file()) continue;
                struct stat status = {};
                if (::stat(file.path().c_str(), &status) != 0) continue;
                const auto found = pending.find(status.st_ino);
                if (found == pending.end() || found->second.empty()) continue;
                cut_file(file.path(), found->second);
                found->second.clear();  // of several names one is enough
            }
        }
    }

    void cut_file(const std::string& path, const std::vector<const Entry*>& pending) {
        std::string content = content_of(path);
        for (auto entry = pending.rbegin(); entry != pending.rend(); ++entry)
            undo(content, **entry);
        for (const Entry* entry : pending) redo(content, *entry);
        write_content(path, content);
    }

    static void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
        if (bytes.empty()) return;
        if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
        content.replace(offset, bytes.size(), bytes);
    }

    static void undo(std::string& content, const Entry& entry) {
        put(content, entry.head.offset, entry.before);
        content.resize(entry.head.size_before, '\0');
    }

    void redo(std::string& content, const Entry& entry) {
        ++cut_.writes_unsynced;
        if (!keeps()) {
            ++cut_.writes_lost;
            return;
        }
        if (entry.head.kind == EntryKind::truncate) {
            content.resize(entry.head.offset, '\0');
            return;
        }
        if (mood_ == 2 || coin()) return put(content, entry.head.offset, entry.after);
        // Each byte old or new: sectors in any order, or the write broken off anywhere.
        ++cut_.writes_torn;
        constexpr std::uint64_t kSector = 512;
        const std::uint64_t begin = entry.head.offset, end = begin + entry.after.size();
        const std::uint64_t stop = coin() ? end : begin + chance_() % (entry.after.size() + 1);
        for (std::uint64_t at = begin; at < stop;) {
            const std::uint64_t until = std::min(stop, (at / kSector + 1) * kSector);
            if (stop != end || coin())
                put(content, at, std::string_view(entry.after).substr(at - begin, until - at));
            at = until;
        }
    }

    /// Changes of one folder reach the disk in order; those of two in any.
    void cut_names() {
        std::map<std::string, std::vector<const Entry*>> pending;
        for (const Entry& entry : entries_) {
            switch (entry.head.kind) {
                case EntryKind::create:
                case EntryKind::remove:
                case EntryKind::make_directory:
                    pending[fs::path(entry.path).parent_path()].push_back(&entry);
                    break;
                case EntryKind::rename:
                    pending[fs::path(entry.other).parent_path()].push_back(&entry);
                    break;
                case EntryKind::sync_directory:
                    std::erase_if(pending[entry.path],
                                  [&](const Entry* e) { return e->index <= entry.head.covers; });
                    break;
                case EntryKind::write:
                case EntryKind::truncate:
                case EntryKind::sync:
                    break;
            }
        }
        std::vector<const Entry*> lost;
        for (auto& [folder, list] : pending) {
            std::size_t kept = 0;
            while (kept < list.size() && keeps()) ++kept;
            lost.insert(lost.end(), list.begin() + static_cast<std::ptrdiff_t>(kept), list.end());
        }
        std::ranges::sort(lost, std::greater(), [](const Entry* entry) { return entry->index; });
        for (const Entry* entry : lost) take_back(*entry);
    }

    void take_back(const Entry& entry) {
        ++cut_.names_lost;
        cut_.story += " [" + entry.path + (entry.other.empty() ? "" : " -> " + entry.other) + "]";
        std::error_code gone;  // a folder taken back before takes with it what was in it
        const std::string saved = log_ + ".saved/" + entry.saved;
        switch (entry.head.kind) {
            case EntryKind::create:
                fs::remove(entry.path, gone);
                break;
            case EntryKind::make_directory:
                fs::remove_all(entry.path, gone);
                break;
            case EntryKind::remove:
                if (!entry.saved.empty() && !fs::exists(entry.path))
                    fs::rename(saved, entry.path, gone);
                break;
            case EntryKind::rename:
                if (fs::exists(entry.path)) break;  // killed before it happened
                fs::rename(entry.other, entry.path, gone);
                if (!entry.saved.empty()) fs::rename(saved, entry.other, gone);
                break;
            default:
                break;
        }
    }

    /// LMDB is never synced while it runs. If STAMP still says so, its pages may be anything.
    void scribble_projection() {
        const std::string stamp = content_of(data_ + "/projection/STAMP");
        if (stamp.find("\"state\":\"clean\"") != stamp.npos) return;
        std::error_code none;
        for (const auto& folder : fs::directory_iterator(data_ + "/projection", none)) {
            const std::string path = folder.path() / "data.mdb";
            if (!fs::exists(path)) continue;
            std::string content = content_of(path);
            for (std::size_t at = 0; at < content.size(); at += 4096)
                if (coin())
                    std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at),
                                std::min<std::size_t>(4096, content.size() - at), '\0');
            write_content(path, content);
            cut_.projection_scribbled = true;
        }
    }

    const std::string data_, log_;
    std::mt19937_64& chance_;
    const std::vector<Entry> entries_;
    std::uint64_t mood_ = 0;
    PowerCut cut_;
};

}  // namespace

PowerCut cut_power(const std::string& data, const std::string& log, std::mt19937_64& chance) {
    const PowerCut cut = Cut(data, log, chance).carry_out();
    begin_log(log);
    return cut;
}

void begin_log(const std::string& log) {
    fs::remove(log);
    fs::remove_all(log + ".saved");
    fs::create_directories(log + ".saved");
}

}  // namespace se::test
