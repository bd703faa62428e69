#include "engine/egress/dead_letters.h"

#include <algorithm>
#include <tuple>

#include "journal/base/crc32c.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

constexpr std::uint64_t kLettersFileBytesMax = 256u << 20;
/// So many lines more than twice its letters, and the file is written anew.
constexpr std::uint64_t kSpareLines = 1'000;
constexpr std::string_view kLettersSuffix = ".jsonl";
constexpr std::string_view kLetterCrc = ",\"crc\":\"";
constexpr std::size_t kReasonBytesMax = 1'024;

std::string letters_folder(const StorePaths& paths) {
    return paths.root + "/dead-letters";
}

std::string letters_path(const StorePaths& paths, const std::string& name) {
    return letters_folder(paths) + "/" + name + std::string(kLettersSuffix);
}

std::string sealed(std::string line) {
    const std::uint32_t crc = crc32c(line);
    line += kLetterCrc;
    append_hex32(line, crc);
    return line += "\"}\n";
}

std::string line_of_dead(const DeadLetter& letter) {
    std::string line;
    JsonObject(line)
        .text("letter", "dead")
        .text("id", letter.id)
        .integer("epoch", letter.at.epoch.value)
        .integer("seq", letter.at.seq.value)
        .integer("attempts", letter.attempts)
        .text("ts", to_text(letter.ts))
        .text("reason", letter.reason);
    return sealed(std::move(line));
}

std::string line_about(std::string_view what, std::string_view id) {
    std::string line;
    JsonObject(line).text("letter", what).text("id", id);
    return sealed(std::move(line));
}

std::optional<std::uint64_t> count_in(const Json& json, std::string_view name) {
    const Json* found = json.find(name);
    if (found == nullptr || !found->is_integer() || found->integer() < 0) return {};
    return static_cast<std::uint64_t>(found->integer());
}

std::optional<std::string> text_in(const Json& json, std::string_view name) {
    const Json* found = json.find(name);
    if (found == nullptr || !found->is_string()) return {};
    return found->string();
}

/// False: it is no line of ours. `line` is without its newline.
bool take_line(std::string_view line, DeadLetters::Told* told) {
    const std::size_t end = line.rfind(kLetterCrc);
    std::uint32_t crc = 0;
    if (end == std::string_view::npos || line.size() != end + kLetterCrc.size() + 8 + 2)
        return false;
    if (!parse_hex32(line.substr(end + kLetterCrc.size(), 8), &crc)) return false;
    if (crc32c(line.substr(0, end)) != crc) return false;
    const auto json = parse_json(line);
    if (!json) return false;
    const auto what = text_in(*json, "letter");
    const auto id = text_in(*json, "id");
    if (!what || !id) return false;
    if (*what == "gone") {
        told->letters.erase(*id);
        return true;
    }
    if (*what == "retry") {
        const auto found = told->letters.find(*id);
        if (found != told->letters.end()) found->second.retry = true;
        return true;
    }
    const auto epoch = count_in(*json, "epoch");
    const auto seq = count_in(*json, "seq");
    const auto attempts = count_in(*json, "attempts");
    const auto ts = time_from_text(text_in(*json, "ts").value_or(""));
    if (*what != "dead" || !epoch || !seq || !attempts || !ts) return false;
    told->letters[*id] = {.id = *id,
                          .at = {Epoch{*epoch}, Seq{*seq}},
                          .reason = text_in(*json, "reason").value_or(""),
                          .ts = *ts,
                          .attempts = *attempts};
    return true;
}

/// Cut to what one line may say, at the end of a character.
std::string reason_cut(std::string reason) {
    if (reason.size() <= kReasonBytesMax) return reason;
    std::size_t end = kReasonBytesMax;
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0u) == 0x80u) --end;
    reason.resize(end);
    return reason;
}

}  // namespace

Result<DeadLetters::Told> DeadLetters::read(FileSystem& files, const StorePaths& paths,
                                            const std::string& name) {
    Told told;
    const auto text = read_file(files, letters_path(paths, name), kLettersFileBytesMax);
    if (!text && text.error().code == Errc::not_found) return told;
    if (!text) return text.error();
    for (std::size_t at = 0; at < text->size();) {
        const std::size_t end = text->find('\n', at);
        // Never finished, so nobody counted on it.
        if (end == std::string::npos) break;
        const std::string_view line = std::string_view(*text).substr(at, end - at);
        at = end + 1;
        if (line.empty()) continue;
        if (!take_line(line, &told)) told.damaged.emplace_back(line);
    }
    return told;
}

Result<std::vector<std::string>> DeadLetters::names(FileSystem& files, const StorePaths& paths) {
    std::vector<std::string> names;
    const auto listed = files.list(letters_folder(paths));
    if (!listed && listed.error().code == Errc::not_found) return names;
    if (!listed) return listed.error();
    for (const std::string& file : *listed) {
        if (file.ends_with(kLettersSuffix))
            names.push_back(file.substr(0, file.size() - kLettersSuffix.size()));
    }
    return names;
}

Result<DeadLetters> DeadLetters::open(FileSystem& files, const StorePaths& paths, std::string name,
                                      std::uint64_t letters_max) {
    DeadLetters letters(files, paths, std::move(name), letters_max);
    SE_TRY(there, files.exists(letters_path(paths, letters.name_)));
    if (!there) return letters;
    SE_TRY(told, read(files, paths, letters.name_));
    letters.told_ = std::move(told);
    SE_TRY_OK(letters.write_anew());
    return letters;
}

std::vector<const DeadLetter*> DeadLetters::all() const {
    std::vector<const DeadLetter*> all;
    all.reserve(told_.letters.size());
    for (const auto& [id, letter] : told_.letters) all.push_back(&letter);
    std::ranges::stable_sort(all, {}, [](const DeadLetter* letter) {
        return std::tuple(letter->at.epoch, letter->at.seq);
    });
    return all;
}

std::uint64_t DeadLetters::asked() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        told_.letters, [](const auto& letter) { return letter.second.retry; }));
}

const DeadLetter* DeadLetters::find(std::string_view id) const {
    const auto found = told_.letters.find(id);
    return found == told_.letters.end() ? nullptr : &found->second;
}

Status DeadLetters::add(const DeadLetter& letter) {
    DeadLetter kept = letter;
    kept.reason = reason_cut(std::move(kept.reason));
    kept.retry = false;
    SE_TRY_OK(append(line_of_dead(kept)));
    told_.letters[kept.id] = std::move(kept);
    return Ok{};
}

Status DeadLetters::ask_retry(std::string_view id) {
    const auto found = told_.letters.find(id);
    if (found == told_.letters.end())
        return Error{Errc::not_found, "no dead letter has the id " + std::string(id)};
    if (found->second.retry) return Ok{};
    SE_TRY_OK(append(line_about("retry", id)));
    found->second.retry = true;
    return Ok{};
}

Status DeadLetters::remove(std::string_view id) {
    const auto found = told_.letters.find(id);
    if (found == told_.letters.end()) return Ok{};
    SE_TRY_OK(append(line_about("gone", id)));
    told_.letters.erase(found);
    return Ok{};
}

/// After a failure nobody knows what is in the file, so the next one writes what was there before
/// it anew.
Status DeadLetters::append(const std::string& line) {
    if (file_ == nullptr || lines_ > 2 * size() + kSpareLines) SE_TRY_OK(write_anew());
    std::unique_ptr<File> file = std::move(file_);  // comes back when both have said yes
    SE_TRY_OK(file->write(end_, line));
    SE_TRY_OK(file->sync());
    end_ += line.size();
    ++lines_;
    file_ = std::move(file);
    return Ok{};
}

Status DeadLetters::write_anew() {
    file_.reset();
    SE_TRY_OK(files_->make_directory(letters_folder(paths_)));
    SE_TRY_OK(files_->sync_directory(paths_.root));
    std::string content;
    std::uint64_t lines = told_.damaged.size();
    for (const std::string& line : told_.damaged) content += line + "\n";
    for (const DeadLetter* letter : all()) {
        content += line_of_dead(*letter);
        if (letter->retry) content += line_about("retry", letter->id);
        lines += letter->retry ? 2 : 1;
    }
    SE_TRY_OK(replace_file(*files_, letters_folder(paths_), name_ + std::string(kLettersSuffix),
                           content));
    SE_TRY(file, files_->open(letters_path(paths_, name_), OpenMode::update));
    file_ = std::move(file);
    end_ = content.size();
    lines_ = lines;
    return Ok{};
}

}  // namespace se
