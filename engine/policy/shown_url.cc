#include "engine/policy/shown_url.h"

namespace se {

std::string shown_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    const std::size_t host = scheme == url.npos ? 0 : scheme + 3;
    if (url.find('@') != url.npos) return std::string(url.substr(0, host)) + "…";
    return std::string(url.substr(0, url.find_first_of("/?#", host)));
}

}  // namespace se
