#pragma once

#include <string>
#include <string_view>

namespace se {

/// As much of an address as may be shown: scheme, host and port. What stands before an @ is a user
/// and a password, and a path may be a secret, too. With an @ anywhere nobody can tell which is
/// which, and the scheme is all that is left.
std::string shown_url(std::string_view url);

}  // namespace se
