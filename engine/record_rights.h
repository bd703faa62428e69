#pragma once

#include "engine/decide.h"
#include "journal/record.h"

namespace se {

/// Whether the caller may read all that a record says: every key that it changes or was based on.
/// One that names none (policy, notes, what never took shape), or on which rules fired, tells of
/// the whole store: what a rule resolved may hold values of any key.
bool may_read(const Caller& caller, const RecordView& record);

}  // namespace se
