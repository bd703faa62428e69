#pragma once

#include "journal/base/json.h"
#include "journal/body.h"
#include "journal/record.h"

namespace se {

/// The client's list of a proposal with several ops, each with its value: a record says those that
/// became the value of their key only there. Needs `body.ops`. Errc::corruption, Errc::malformed:
/// it is no list.
Result<Json> ops_of(const RecordView& record, const Body& body);

}  // namespace se
