#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace se {

/// For the beginning of main. Where whoever started us has closed 0, 1 or 2, the next file to be opened gets its
/// number: a complaint would then be written over the store, or the store read as stdin. /dev/null takes the
/// place, opened the wrong way round, so that reading or writing there fails as it does on a closed one.
inline void fill_closed_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) != stream) ::_exit(1);
    }
}

}  // namespace se
