#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/intake/utf8.h"
#include "engine/policy/config.h"
#include "engine/policy/settings.h"
#include "engine/policy/units.h"

namespace se {

/// The settings of one section that only one part of the daemon reads: `S` is where they go. Flags,
/// environment, file, --help and docs/settings.md come from its rows, as those of settings_table().
template <class S>
class SectionTable {
public:
    /// An Error's text goes behind the name: "must be …".
    using Set = std::function<Status(S&, std::string_view text)>;
    struct Row {
        std::string name;  ///< within the section; may have a dot
        std::string preset, meaning;
        Set set;
        std::vector<std::string> environment;  ///< beside STATE_ENGINE_<SECTION>_<NAME>
        /// How those are read, where the original passes over what it does not know.
        Set set_as_original = {};
    };

    SectionTable(std::string_view section, std::vector<Row> rows)
        : section_(section), rows_(std::move(rows)) {
        for (Row& row : rows_) {
            row.name = section_ + "." + row.name;
            std::string own = "STATE_ENGINE_";
            for (const char c : row.name)
                own += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
            row.environment.insert(row.environment.begin(), std::move(own));
            std::string variables;
            for (const std::string& variable : row.environment)
                variables += (variables.empty() ? "" : ", ") + variable;
            infos_.push_back({row.name, std::move(variables), row.preset, row.meaning});
        }
    }

    const std::vector<SettingInfo>& infos() const { return infos_; }
    /// "<section>.…"
    bool has(std::string_view dotted_name) const {
        return dotted_name.starts_with(section_) &&
               dotted_name.substr(section_.size()).starts_with('.');
    }

    /// An unknown name gets the nearest one; an Error says what is right.
    Status set(S* settings, std::string_view dotted_name, std::string_view text) const {
        std::vector<std::string> names;
        for (const Row& row : rows_) {
            if (row.name == dotted_name) return named(dotted_name, row.set(*settings, text));
            names.push_back(row.name);
        }
        return bad(std::string(dotted_name) + " is not known; the nearest is " +
                   std::string(nearest_name(dotted_name, names)));
    }

    /// The section of a file. A map in it is that of rows whose names have a dot. An Error's
    /// pointer is within the section.
    Status read(S* settings, const Json& section) const {
        if (section.is_null()) return Ok{};
        if (!section.is_object()) return bad(section_ + " must be a map of settings");
        for (const auto& [name, value] : section.object()) {
            const std::string dotted = section_ + "." + name, pointer = "/" + name;
            if (!value.is_object() || !is_map(dotted)) {
                SE_TRY_OK(read_one(settings, dotted, pointer, value));
                continue;
            }
            for (const auto& [part, inner] : value.object())
                SE_TRY_OK(read_one(settings, dotted + "." + part, pointer + "/" + part, inner));
        }
        return Ok{};
    }

    /// Of several variables the first one that is set counts; an empty one counts as not set.
    Status apply(S* settings, const Environment& environment) const {
        for (const Row& row : rows_) {
            for (const std::string& variable : row.environment) {
                const auto text = environment(variable);
                if (!text || text->empty()) continue;
                const bool own = variable == row.environment.front();
                const Set& set = own || !row.set_as_original ? row.set : row.set_as_original;
                SE_TRY_OK(named(variable, set(*settings, *text)));
                break;
            }
        }
        return Ok{};
    }

    // --- what rows are set by

    static Set text(std::string S::*field, bool may_be_empty = true) {
        return [=](S& settings, std::string_view text) -> Status {
            if (!is_utf8(text)) return bad("must be UTF-8");
            if (text.empty() && !may_be_empty) return bad("must not be empty");
            settings.*field = text;
            return Ok{};
        };
    }
    static Set choice(bool S::*field, std::string no = "false", std::string yes = "true") {
        return [=](S& settings, std::string_view text) -> Status {
            if (text != no && text != yes) return bad("must be one of " + no + ", " + yes);
            settings.*field = text == yes;
            return Ok{};
        };
    }
    /// A number, or a duration, whose base unit is `unit`.
    template <class Number>
    static Set number(Number S::*field, Unit unit, std::uint64_t min, std::uint64_t max) {
        return [=](S& settings, std::string_view text) -> Status {
            SE_TRY(value, parse_quantity(text, unit));
            if (value < min || value > max)
                return bad("must be between " + quantity_text(min, unit) + " and " +
                           quantity_text(max, unit));
            settings.*field = Number(value);
            return Ok{};
        };
    }

private:
    static Error bad(std::string text) { return Error{Errc::malformed, std::move(text)}; }
    static Status named(std::string_view name, Status done) {
        if (done) return Ok{};
        return bad(std::string(name) + " " + done.error().text);
    }
    bool is_map(const std::string& dotted_name) const {
        for (const Row& row : rows_)
            if (row.name.starts_with(dotted_name + ".")) return true;
        return false;
    }
    Status read_one(S* settings, const std::string& dotted_name, const std::string& pointer,
                    const Json& value) const {
        if (value.is_null() || value.is_object() || value.is_array())
            return Error{Errc::malformed, dotted_name + " must be a single value", pointer};
        const Status done =
            set(settings, dotted_name, value.is_string() ? value.string() : to_text(value));
        if (done) return Ok{};
        return Error{Errc::malformed, done.error().text, pointer};
    }

    const std::string section_;
    std::vector<Row> rows_;
    std::vector<SettingInfo> infos_;
};

}  // namespace se
