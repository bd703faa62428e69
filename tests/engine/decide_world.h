#pragma once

#include "engine/decide.h"
#include "journal/base/time_text.h"

namespace se::test {

// When a decision is asked for, and by whom.

inline const Time kNow = *time_from_text("2026-11-21T02:00:00.000Z");

inline Caller caller() {
    Caller who;
    who.principal = "p";
    who.actor = "a";
    who.door = "http";
    return who;
}

}  // namespace se::test
