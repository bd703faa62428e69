#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "projection/projection.h"

namespace se {

/// What a rebuild found, as every door tells it:
///
///   {"equal","swapped","records","keys","seq","rootLive","rootRebuilt","differentKeys":[…],
///    "differences":[{"database","rows","first","key"?}…]}
///
/// Names no key that `may_read` says no to.
std::string rebuilt_json(const Rebuild::Report& report,
                         const std::function<bool(std::string_view)>& may_read);

/// The body of a `rebuilt` note: `differences` only if there are any, and no key, as others than
/// who asked may read it.
std::string rebuilt_body(const Rebuild::Report& report);

}  // namespace se
