#include "tools/statectl/outcome.h"

namespace se::statectl {
namespace {

int exit_of(Errc code) {
    switch (code) {
        case Errc::corruption: return kDamage;
        case Errc::busy:
        case Errc::no_space:
        case Errc::unavailable: return kUnavailable;
        case Errc::io:
        case Errc::not_found:
        case Errc::malformed:
        case Errc::too_large:
        case Errc::unsupported: break;
    }
    return kError;
}

}  // namespace

Failure::Failure(const Error& error) : exit(exit_of(error.code)), text(error.text) {
    if (!error.pointer.empty()) text += " (at " + error.pointer + ")";
}

}  // namespace se::statectl
