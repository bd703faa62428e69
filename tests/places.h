#pragma once

#include <string>

namespace se::test {

// Where this checkout is. Functions and not macros: of all tests only places.cc then depends on it,
// and the compiler cache serves every checkout.

const std::string& source_dir();  ///< the root of the repository
const std::string& bin_dir();     ///< the programs that were built with this test

}  // namespace se::test
