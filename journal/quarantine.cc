#include "journal/quarantine.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::array<std::string_view, 4> kPrefixes = {"torn-", "lost-", "header-", "stray-"};
constexpr std::array<std::string_view, 4> kNotes = {kNoteTorn, kNoteRepaired, kNoteHeader, kNoteStray};
constexpr std::string_view kSuffix = ".bin";
constexpr std::size_t kSeqDigits = 16;
constexpr std::size_t kReadChunkBytes = 64u << 10;

std::string padded(Seq seq) {
    const std::string digits = std::to_string(seq.value);
    return std::string(kSeqDigits - std::min(kSeqDigits, digits.size()), '0') + digits;
}

/// Takes digits off the front of `text`, and `separator` behind them.
bool take_number(std::string_view& text, std::string_view separator, std::uint64_t* value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.starts_with(separator)) return false;
    text.remove_prefix(separator.size());
    return true;
}

void add_name(const Json* file, std::vector<std::string>& names) {
    if (file != nullptr && file->is_string()) names.push_back(file->string());
}

RecordDraft draft_note(std::string_view note, std::string body) {
    return {.kind = Kind::note,
            .note = std::string(note),
            .actor = "system:journal",
            .body = std::move(body)};
}

/// Index of the last segment that an epoch before `epoch` began, as its header says; 0 if there is none.
Result<std::size_t> last_begun_before(FileSystem& files, const StorePaths& paths,
                                      const std::vector<Seq>& segments, Epoch epoch) {
    for (std::size_t i = segments.size(); i > 1; --i) {
        SE_TRY(file, files.open(paths.segment(segments[i - 1]), OpenMode::read));
        LineReader lines(*file, 0, UINT64_MAX, kReadChunkBytes);
        SE_TRY(line, lines.next());
        if (!line) continue;
        const auto header = parse_segment_header(line->text);
        if (header && header->epoch < epoch) return i - 1;
    }
    return std::size_t{0};
}

/// {"segment":…,"offset":…,"bytes":…,"sha256":…,"file":…}
Status append_piece(FileSystem& files, const StorePaths& paths, const Parked& parked,
                    std::string& out) {
    const std::string name = parked_name(parked);
    SE_TRY(bytes, read_file(files, paths.quarantine() + "/" + name));
    JsonObject piece(out);
    piece.integer("segment", parked.segment.value).integer("offset", parked.offset);
    piece.integer("bytes", bytes.size()).text("sha256", to_hex(sha256(bytes)));
    piece.text("file", name).close();
    return Ok{};
}

}  // namespace

std::string parked_name(const Parked& parked) {
    std::string name{kPrefixes[static_cast<std::size_t>(parked.what)]};
    name += padded(parked.segment) + "-" + std::to_string(parked.offset) + "-" +
            std::to_string(parked.epoch.value) + "-e" + padded(parked.next);
    if (parked.what == Parked::What::lost) {
        name += "-" + std::to_string(parked.from.value) + "-" + std::to_string(parked.to.value);
    }
    return name.append(kSuffix);
}

std::optional<Parked> parked_from_name(std::string_view name) {
    Parked parked;
    std::string_view rest = name;
    for (std::size_t i = 0; i < kPrefixes.size(); ++i) {
        if (!name.starts_with(kPrefixes[i])) continue;
        parked.what = static_cast<Parked::What>(i);
        rest.remove_prefix(kPrefixes[i].size());
    }
    const bool lost = parked.what == Parked::What::lost;
    if (!take_number(rest, "-", &parked.segment.value) ||
        !take_number(rest, "-", &parked.offset) || !take_number(rest, "-e", &parked.epoch.value) ||
        !take_number(rest, lost ? "-" : kSuffix, &parked.next.value)) {
        return {};
    }
    if (lost && (!take_number(rest, "-", &parked.from.value) ||
                 !take_number(rest, kSuffix, &parked.to.value))) {
        return {};
    }
    // Exactly what we would write: anything else in that folder is not ours to believe.
    if (parked_name(parked) != name) return {};
    return parked;
}

Result<std::vector<Parked>> list_quarantine(FileSystem& files, const StorePaths& paths) {
    std::vector<Parked> all;
    auto names = files.list(paths.quarantine());
    if (!names && names.error().code != Errc::not_found) return names.error();
    if (!names) return all;
    for (const std::string& name : *names) {
        if (const auto parked = parked_from_name(name)) all.push_back(*parked);
    }
    std::stable_sort(all.begin(), all.end(), [](const Parked& a, const Parked& b) {
        return a.epoch < b.epoch;
    });
    return all;
}

Result<std::string> used_bytes(const File& segment, std::uint64_t offset, std::uint64_t to) {
    SE_TRY(size, segment.size());
    to = std::min(to, size);
    std::string bytes(to > offset ? static_cast<std::size_t>(to - offset) : 0, '\0');
    SE_TRY(got, segment.read(offset, std::span(bytes)));
    const std::size_t last = bytes.find_last_not_of('\n', got == 0 ? 0 : got - 1);
    bytes.resize(got == 0 || last == std::string::npos ? 0 : last + 1);
    return bytes;
}

Status park(FileSystem& files, const StorePaths& paths, const Parked& parked,
            std::string_view bytes) {
    SE_TRY_OK(files.make_directory(paths.quarantine()));
    SE_TRY_OK(replace_file(files, paths.quarantine(), parked_name(parked), bytes));
    return files.sync_directory(paths.journal());
}

Status blank(File& segment, std::uint64_t offset, std::uint64_t bytes) {
    if (bytes > 0) {
        SE_TRY_OK(segment.write(offset, std::string(static_cast<std::size_t>(bytes), '\n')));
    }
    return segment.sync();
}

std::vector<std::string> files_noted_by(const RecordView& record) {
    std::vector<std::string> names;
    if (record.kind != Kind::note || std::ranges::find(kNotes, record.note) == kNotes.end()) return names;
    const auto body = parse_json(record.body);
    if (!body) return names;
    add_name(body->find("file"), names);
    const Json* const pieces = body->find("pieces");
    if (pieces != nullptr && pieces->is_array()) {
        for (const Json& piece : pieces->array()) add_name(piece.find("file"), names);
    }
    return names;
}

Result<bool> has_note(FileSystem& files, const StorePaths& paths, const std::vector<Seq>& segments,
                      const Parked& parked) {
    const std::string name = parked_name(parked);
    // A torn tail's successor is written where the tail was, or in a later segment.
    const bool in_place = parked.what == Parked::What::torn;
    RecordView record;
    Epoch over;  // of that run no more notes about what was found come: others may have told what it lost
    SE_TRY(begin, last_begun_before(files, paths, segments, parked.epoch));
    for (std::size_t i = begin; i < segments.size(); ++i) {
        SE_TRY(file, files.open(paths.segment(segments[i]), OpenMode::read));
        const bool here = in_place && segments[i] == parked.segment;
        LineReader lines(*file, here ? parked.offset : 0, UINT64_MAX, kReadChunkBytes);
        for (;;) {
            SE_TRY(line, lines.next());
            if (!line) break;
            const auto frame = read_frame(line->text);
            if (!frame || frame->epoch < parked.epoch || frame->epoch == over) continue;
            if (!parse_record(line->text, &record)) continue;
            if (record.kind != Kind::note && record.kind != Kind::config) {
                over = record.epoch;
                continue;
            }
            const auto noted = files_noted_by(record);
            if (std::find(noted.begin(), noted.end(), name) != noted.end()) return true;
        }
    }
    return false;
}

Result<std::vector<RecordDraft>> notes_about(FileSystem& files, const StorePaths& paths,
                                             const std::vector<Parked>& parked) {
    std::vector<RecordDraft> notes;
    std::set<std::pair<Seq, Seq>> told;
    for (const Parked& file : parked) {
        std::string body;
        if (file.what != Parked::What::lost) {
            SE_TRY_OK(append_piece(files, paths, file, body));
            notes.push_back(draft_note(kNotes[static_cast<std::size_t>(file.what)], body));
            continue;
        }
        if (!told.insert({file.from, file.to}).second) continue;
        JsonObject object(body);
        object.integer("from", file.from.value).integer("to", file.to.value).member("pieces");
        char before = '[';
        for (const Parked& piece : parked) {
            if (piece.what != file.what || piece.from != file.from || piece.to != file.to) continue;
            body += before;
            before = ',';
            SE_TRY_OK(append_piece(files, paths, piece, body));
        }
        body += ']';
        object.close();
        notes.push_back(draft_note(kNoteRepaired, body));
    }
    return notes;
}

}  // namespace se
