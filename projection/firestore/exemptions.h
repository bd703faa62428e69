#pragma once

#include <optional>
#include <string>
#include <vector>

#include "projection/firestore/document_store.h"

namespace se::firestore {

/// Fields whose values only grow. An index over one of them is written at its end by every
/// document, and holds a collection to about 500 writes a second; so none of them should have one.
struct IndexExemption {
    std::string collection;
    std::string field;

    bool operator==(const IndexExemption&) const = default;
};
const std::vector<IndexExemption>& wanted_exemptions();

/// What a project says about its indexes. Every call waits for its answer.
class IndexAdmin {
public:
    virtual ~IndexAdmin() = default;

    /// Fields of a collection that are in no index of their own. Nothing: it has no such service,
    /// as an emulator.
    virtual Outcome<std::optional<std::vector<std::string>>> exempted(
        const std::string& collection) = 0;
    /// Asks for it; Google takes minutes to do it.
    virtual Outcome<Ok> exempt(const IndexExemption& exemption) = 0;
    virtual void give_up() {}  ///< as a DocumentStore's
};

struct ExemptionReport {
    bool looked = false;  ///< the rest says something
    bool service = true;  ///< the place knows of exemptions at all
    std::vector<IndexExemption> missing;
    std::vector<IndexExemption> asked;  ///< for those that were missing; Google makes them
    std::string why;  ///< it could not be looked, or not be asked; empty: it could
};
/// Looks which are missing and, with `make`, asks for them.
ExemptionReport check_exemptions(IndexAdmin& admin, bool make);

/// The command that makes one, for a person who may.
std::string gcloud_command(const IndexExemption& exemption, const std::string& project,
                           const std::string& database);
/// {"missing":[{"collection","field","command"}…],"asked":[…]?,"why"?}, or {"service":false}
Json to_json(const ExemptionReport& report, const std::string& project,
             const std::string& database);

}  // namespace se::firestore
