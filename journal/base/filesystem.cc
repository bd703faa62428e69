#include "journal/base/filesystem.h"

namespace se {
namespace {

Status write_whole(FileSystem& files, const std::string& path, std::string_view content) {
    SE_TRY(file, files.open(path, OpenMode::create));
    SE_TRY_OK(file->truncate(0));  // an earlier, interrupted attempt may have left something longer
    SE_TRY_OK(file->write(0, content));
    return file->sync();
}

}  // namespace

Result<std::string> read_file(FileSystem& files, const std::string& path, std::uint64_t size_max) {
    SE_TRY(file, files.open(path, OpenMode::read));
    SE_TRY(size, file->size());
    if (size > size_max)
        return Error{Errc::too_large, path + ": " + std::to_string(size) + " bytes, at most " +
                                          std::to_string(size_max) + " are read"};
    std::string content(size, '\0');
    SE_TRY(got, file->read(0, content));
    content.resize(got);  // it may have been cut since we asked for its size
    return content;
}

Status replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                    std::string_view content) {
    const std::string path = directory + "/" + name;
    const std::string aside = path + ".new";
    Status written = write_whole(files, aside, content);
    if (written) written = files.rename(aside, path);
    if (!written) {
        // Best effort, hence its own answer is of no interest: what stays behind is overwritten
        // next time, but must not eat scarce room until then.
        static_cast<void>(files.remove(aside));
        return written;
    }
    return files.sync_directory(directory);
}

}  // namespace se
