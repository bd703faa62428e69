#pragma once

#include <string_view>

#include "journal/base/result.h"

namespace se {

/// The rows of one database in order, one at a time: where a key has several values, each of them
/// is a row. Stands on the first one to begin with, if there is any.
class RowWalk {
public:
    virtual ~RowWalk() = default;
    bool there() const { return there_; }
    std::string_view key() const { return key_; }      ///< valid until next()
    std::string_view value() const { return value_; }  ///< likewise
    virtual Status next() = 0;                         ///< needs there()

protected:
    bool there_ = false;
    std::string_view key_, value_;
};

}  // namespace se
