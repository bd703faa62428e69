#include "journal/store.h"

#include <array>
#include <charconv>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "journal/head.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::string_view kStoreFormatName = "state-engine-store/";
constexpr unsigned kStoreFormatMajor = 1;
constexpr std::uint64_t kStoreFileBytesMax = 4096;

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string encode(const StoreInfo& info) {
    std::string text;
    JsonObject object(text);
    object.text("format", std::string(kStoreFormatName) + std::to_string(kStoreFormatMajor));
    object.text("store", info.store).text("secret", to_hex(info.secret));
    object.close();
    return text += '\n';
}

Result<StoreInfo> decode(const std::string& path, std::string_view text) {
    const auto corrupt = [&](const char* what) {
        return Error{Errc::corruption, path + ": " + what};
    };
    auto json = parse_json(text);
    if (!json) return corrupt("not JSON");
    const Json* const format = json->find("format");
    const Json* const store = json->find("store");
    const Json* const secret = json->find("secret");
    if (format == nullptr || !format->is_string() ||
        !format->string().starts_with(kStoreFormatName)) {
        return corrupt("no format of ours");
    }
    const std::string_view major =
        std::string_view(format->string()).substr(kStoreFormatName.size());
    unsigned number = 0;
    const auto parsed = std::from_chars(major.data(), major.data() + major.size(), number);
    if (parsed.ec != std::errc{} || number == 0) return corrupt("no format of ours");
    if (number > kStoreFormatMajor) {
        return Error{Errc::unsupported, path + ": format " + format->string() +
                                            " was written by a newer version; use that one"};
    }
    if (store == nullptr || !store->is_string() || store->string().empty() || secret == nullptr ||
        !secret->is_string()) {
        return corrupt("no store id or secret");
    }
    const auto bytes = hash_from_hex(secret->string());
    if (!bytes) return corrupt("the secret is not 64 hex digits");
    return StoreInfo{.store = store->string(),
                     .secret = {reinterpret_cast<const char*>(bytes->data()), bytes->size()}};
}

/// Folders are made top down, each durable before anything in it matters.
Status make_folders(FileSystem& files, const StorePaths& paths) {
    // A folder that exists proves nothing: whoever made it may have been killed before this sync. What
    // store.json says was written behind it.
    const bool durable = static_cast<bool>(read_store(files, paths));
    SE_TRY_OK(files.make_directory(paths.root));
    if (!durable) {
        const std::string parent = parent_of(paths.root);
        SE_TRY(parent_exists, files.exists(parent));
        if (parent_exists) SE_TRY_OK(files.sync_directory(parent));
    }
    SE_TRY_OK(files.make_directory(paths.journal()));
    SE_TRY_OK(files.make_directory(paths.quarantine()));
    SE_TRY_OK(files.make_directory(paths.archive()));
    SE_TRY_OK(files.make_directory(paths.followers()));
    SE_TRY_OK(files.sync_directory(paths.journal()));
    return files.sync_directory(paths.root);
}

StoreInfo make_store(Random& random) {
    StoreInfo info{.store = make_uuid(random), .secret = std::string(sizeof(Hash), '\0')};
    random.fill(std::as_writable_bytes(std::span(info.secret)));
    return info;
}

/// Needs the lock, and a store.json that says nothing yet, or the same.
Status write_store(FileSystem& files, const StorePaths& paths, const StoreInfo& info) {
    const std::string text = encode(info);
    SE_TRY(file, files.open(paths.store_file(), OpenMode::update));
    SE_TRY_OK(file->write(0, text));
    SE_TRY_OK(file->truncate(text.size()));
    SE_TRY_OK(file->sync());
    return files.sync_directory(paths.root);
}

/// A store that was only half made has no segment. With one, a new id and secret would disown the history
/// that is there.
Error disowned(const StorePaths& paths, std::string_view what) {
    return Error{Errc::corruption, paths.store_file() + ": " + std::string(what) +
                                       ", but journal/ holds segments; bring back the original file "
                                       "from a backup"};
}

}  // namespace

Result<StoreInfo> read_store(FileSystem& files, const StorePaths& paths) {
    const auto text = read_file(files, paths.store_file(), kStoreFileBytesMax);
    const bool missing = !text && text.error().code == Errc::not_found;
    if (missing || (text && text->empty())) {
        if (const auto segments = list_segments(files, paths); segments && !segments->empty())
            return disowned(paths, missing ? "missing" : "empty");
    }
    if (!text) return text.error();
    if (text->empty()) return Error{Errc::not_found, paths.store_file() + ": no store here yet"};
    return decode(paths.store_file(), *text);
}

Result<std::string> store_id_as_told(FileSystem& files, const StorePaths& paths, std::string* why) {
    auto info = read_store(files, paths);
    if (info) return std::move(info->store);
    if (info.error().code != Errc::corruption) return std::move(info).error();
    *why = info.error().text;
    SE_TRY(head, read_head(files, paths.head()));
    if (head) return std::move(head->store);
    SE_TRY(segments, list_segments(files, paths));
    for (const Seq first : segments) {
        SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
        LineReader lines(*file);
        SE_TRY(line, lines.next());
        if (!line) continue;
        if (auto header = parse_segment_header(line->text)) return std::move(header->store);
    }
    return std::move(info).error();
}

Result<StoreHold> hold_store(FileSystem& files, Random& random, const StorePaths& paths) {
    SE_TRY_OK(make_folders(files, paths));
    // The file is made empty, then locked, then filled: of two first writers only one fills it, and
    // nobody ever locks a file that another is about to replace.
    { SE_TRY_OK(files.open(paths.store_file(), OpenMode::create)); }
    SE_TRY(lock, files.lock(paths.store_file()));
    auto info = read_store(files, paths);
    SE_TRY(segments, list_segments(files, paths));
    if (!info && (info.error().code == Errc::not_found || info.error().code == Errc::corruption)) {
        if (!segments.empty()) return disowned(paths, "unreadable");
        info = make_store(random);
    }
    // Before the first segment: whoever wrote what can be read may have been killed before its sync, or
    // been told that it failed.
    if (info && segments.empty()) SE_TRY_OK(write_store(files, paths, *info));
    if (!info) return info.error();
    return StoreHold{.info = std::move(*info), .lock = std::move(lock)};
}

}  // namespace se
