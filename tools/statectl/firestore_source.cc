#include "tools/statectl/firestore_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

extern char** environ;

namespace se::statectl {
namespace {

constexpr std::size_t kLineDepthMax = 512;
constexpr std::size_t kSaidBytesMax = 4096;  ///< of its stderr, the end

std::string reader_path() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    return (error ? std::filesystem::path(".") : self.parent_path()) / "firestore-reader";
}

std::vector<std::string> arguments_of(const std::string& program, const FirestorePlace& place,
                                      const std::vector<std::string>& collections,
                                      const std::string& prefix) {
    std::vector<std::string> arguments{program};
    for (const auto& [flag, text] :
         {std::pair("--project=", place.project), std::pair("--database=", place.database),
          std::pair("--emulator=", place.emulator), std::pair("--prefix=", prefix)})
        if (!text.empty()) arguments.push_back(flag + text);
    arguments.insert(arguments.end(), collections.begin(), collections.end());
    return arguments;
}

}  // namespace

void add_place_flags(CLI::App* command, FirestorePlace& place) {
    command
        ->add_option("--project", place.project, "Whose documents (default GOOGLE_CLOUD_PROJECT)")
        ->type_name("NAME");
    command
        ->add_option("--database", place.database,
                     "Its database (default FIRESTORE_DATABASE_ID, else (default))")
        ->type_name("NAME");
    command
        ->add_option("--emulator", place.emulator,
                     "An emulator instead of Google (default FIRESTORE_EMULATOR_HOST)")
        ->type_name("HOST:PORT");
}

Outcome<std::unique_ptr<FirestoreSource>> FirestoreSource::open(
    const FirestorePlace& place, const std::vector<std::string>& collections,
    const std::string& prefix) {
    std::unique_ptr<FirestoreSource> source(new FirestoreSource());
    const std::string program = reader_path();
    source->said_ = std::tmpfile();
    int ends[2];
    if (source->said_ == nullptr || ::pipe2(ends, O_CLOEXEC) != 0)
        return Failure(kError, fmt::format("{} cannot be started: no pipe", program));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(source->said_), STDERR_FILENO);
    std::vector<std::string> arguments = arguments_of(program, place, collections, prefix);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const int failed = ::posix_spawn(&source->process_, program.c_str(), &actions, nullptr,
                                     pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    source->lines_ = ::fdopen(ends[0], "r");
    if (failed != 0) {
        source->process_ = -1;
        return Failure(kError,
                       fmt::format("{} cannot be started ({}): it reads Firestore for statectl, "
                                   "and belongs beside it",
                                   program, std::generic_category().message(failed)));
    }
    SE_TRY(head, source->next_line());
    const Json* const where = head.find("where");
    const Json* const watermark = head.find("watermark");
    if (where == nullptr || !where->is_string() || watermark == nullptr) return source->broke_off();
    source->where_ = where->string();
    source->watermark_ = *watermark;
    return source;
}

FirestoreSource::~FirestoreSource() {
    if (lines_ != nullptr) std::fclose(lines_);
    end_process(SIGTERM);
    if (said_ != nullptr) std::fclose(said_);
}

/// Its exit code, once; -1 when it was ended, or had been before.
int FirestoreSource::end_process(int signal) {
    if (process_ == -1) return -1;
    if (signal != 0) ::kill(process_, signal);
    int status = 0;
    while (::waitpid(process_, &status, 0) == -1 && errno == EINTR) {
    }
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Failure FirestoreSource::broke_off() {
    const int exit = end_process(0);
    std::string text;
    std::fseek(said_, 0, SEEK_SET);
    for (int c; (c = std::fgetc(said_)) != EOF;) text += static_cast<char>(c);
    while (text.ends_with('\n')) text.pop_back();
    if (text.size() > kSaidBytesMax) text.erase(0, text.size() - kSaidBytesMax);
    if (text.empty()) text = "firestore-reader ended without a word";
    return Failure(exit == kUnavailable || exit == -1 ? kUnavailable
                   : exit == kUsage                   ? kUsage
                                                      : kError,
                   text);
}

Outcome<Json> FirestoreSource::next_line() {
    char* line = nullptr;
    std::size_t room = 0;
    ssize_t length = 0;
    do {
        std::clearerr(lines_);
        length = ::getline(&line, &room, lines_);
    } while (length == -1 && errno == EINTR && !std::feof(lines_));
    std::string text(line == nullptr || length < 0 ? "" : line,
                     length < 0 ? 0 : static_cast<std::size_t>(length));
    std::free(line);
    if (!text.ends_with('\n')) return broke_off();
    auto json = parse_json(text, kLineDepthMax);
    if (!json || !json->is_object())
        return Failure(kError,
                       "firestore-reader says what is not understood: is it of this version?");
    return *std::move(json);
}

Outcome<std::optional<FirestoreSource::Item>> FirestoreSource::next() {
    SE_TRY(line, next_line());
    if (line.find("end") != nullptr) {
        const Json* const documents = line.find("documents");
        if (documents == nullptr || *documents != Json(static_cast<std::int64_t>(count_)))
            return Failure(kError, fmt::format("of {} not every document came through", where_));
        return std::optional<Item>();
    }
    ++count_;
    Item item{
        .collection = cell(line, "collection"), .id = cell(line, "id"), .data = {}, .bad = {}};
    if (const Json* const data = line.find("data"); data != nullptr && data->is_object())
        item.data = *data;
    else
        item.bad = cell(line, "bad");
    return std::optional(std::move(item));
}

}  // namespace se::statectl
