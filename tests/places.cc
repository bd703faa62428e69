#include "tests/places.h"

namespace se::test {

const std::string& source_dir() {
    static const std::string directory = SE_SOURCE_DIR;
    return directory;
}

const std::string& bin_dir() {
    static const std::string directory = SE_BIN_DIR;
    return directory;
}

}  // namespace se::test
