#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/egress/backoff.h"
#include "projection/firestore/document_store.h"

namespace se::firestore {

struct ReadDoors {
    DocumentStore& documents;
    Random& random;
    std::function<void(std::chrono::nanoseconds)> sleep;
    /// One JSON text; false: who reads wants no more.
    std::function<bool(std::string_view line)> tell;
};
struct ReadOptions {
    std::vector<std::string> collections;  ///< in this order
    std::string prefix;                    ///< of the document ids
    std::size_t page = 300;
    int attempts_max = 8;  ///< of one call, before it is given up; refused and denied: one
    Backoff::Options backoff = {.first = std::chrono::milliseconds(100),
                                .max = std::chrono::seconds(10)};
};

/// What a project holds, as JSON lines:
///
///   {"where":"projects/…","watermark":{…}|null}          first, as its fields say
///   {"collection":"state","id":"obs.scene","data":{…}}   in byte order of the ids
///   {"collection":"state","id":"obs.scale","bad":"…"}    no JSON can say it
///   {"end":true,"documents":2}                           last: all of it was read
///
/// Writes nothing. Every call may fail for a while and is made again; Errc::unavailable: it went on
/// failing, and there is no last line.
Status read_documents(const ReadDoors& doors, const ReadOptions& options);

}  // namespace se::firestore
