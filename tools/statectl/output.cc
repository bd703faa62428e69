#include "tools/statectl/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/intake/utf8.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kPageRows = 1000;
constexpr std::size_t kLastColumnMin = 16;

/// What a terminal may be given: no control characters, so that no value can steer it. Counts the
/// columns it takes, one a code point.
std::string shown(std::string_view text, std::size_t columns_max, std::size_t* columns) {
    std::string out;
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t from = at;
        const auto c = next_code_point(text, &at);
        if (!c) at = std::max(at, from + 1);
        if (count + 1 == columns_max && at < text.size()) {
            out += "…";
            ++count;
            break;
        }
        if (!c || is_control(*c)) {
            out += '?';
        } else {
            out += text.substr(from, at - from);
        }
        ++count;
    }
    *columns = count;
    return out;
}

}  // namespace

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Outcome<Ok> flush_output() {
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        return Failure(kError, fmt::format("stdout: {}", std::strerror(errno)));
    return Ok{};
}

void print_table(const Cells& headings, const std::vector<Cells>& rows, bool show_headings) {
    const std::size_t columns = headings.size();
    std::vector<std::size_t> widths(columns, 0);
    const auto measure = [&](const Cells& row) {
        for (std::size_t i = 0; i + 1 < columns; ++i) {
            std::size_t width = 0;
            shown(row[i], SIZE_MAX, &width);
            widths[i] = std::max(widths[i], width);
        }
    };
    if (show_headings) measure(headings);
    for (const Cells& row : rows) measure(row);

    std::size_t used = 0;
    for (std::size_t i = 0; i + 1 < columns; ++i) used += widths[i] + 2;
    const std::size_t terminal = terminal_columns();
    const std::size_t last = terminal == 0                        ? SIZE_MAX
                             : terminal > used + kLastColumnMin   ? terminal - used
                                                                  : kLastColumnMin;
    const auto print_row = [&](const Cells& row) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            std::size_t width = 0;
            line += shown(row[i], i + 1 < columns ? SIZE_MAX : last, &width);
            if (i + 1 < columns) line.append(widths[i] - width + 2, ' ');
        }
        while (line.ends_with(' ')) line.pop_back();
        print(line + "\n");
    };
    if (show_headings) print_row(headings);
    for (const Cells& row : rows) print_row(row);
}

void print_facts(const std::vector<std::pair<std::string, std::string>>& facts) {
    std::vector<Cells> rows;
    for (const auto& [name, value] : facts) rows.push_back({name, value});
    print_table({"", ""}, rows, false);
}

void show_object(Form form, std::string_view json) {
    while (json.ends_with('\n')) json.remove_suffix(1);
    const auto parsed = parse_json(json, 1000);
    if (form != Form::table || !parsed || !parsed->is_object()) {
        print(json);
        return print("\n");
    }
    std::vector<std::pair<std::string, std::string>> facts;
    for (const auto& [name, value] : parsed->object()) facts.emplace_back(name, cell(*parsed, name));
    print_facts(facts);
}

Items::Items(Form form, Cells headings, Row row)
    : form_(form), headings_(std::move(headings)), row_(std::move(row)) {}

void Items::add(std::string_view json) {
    ++count_;
    switch (form_) {
        case Form::jsonl:
            print(json);
            print("\n");
            return;
        case Form::json:
            print(count_ == 1 ? "[\n" : ",\n");
            print(json);
            return;
        case Form::table:
            break;
    }
    if (const auto parsed = parse_json(json, 1000)) {
        page_.push_back(row_(*parsed));
    } else {
        Cells cells(headings_.size(), "-");
        cells.back() = json;
        page_.push_back(std::move(cells));
    }
    if (page_.size() >= kPageRows) print_page();
}

void Items::print_page() {
    if (!page_.empty()) print_table(headings_, page_, !headed_);
    headed_ = true;
    page_.clear();
}

void Items::flush() {
    if (form_ == Form::table && !page_.empty()) print_page();
}

void Items::finish() {
    if (form_ == Form::table) print_page();
    if (form_ == Form::json) print(count_ == 0 ? "[]\n" : "\n]\n");
}

std::string cell(const Json& object, std::string_view member) {
    const Json* found = object.find(member);
    if (found == nullptr || found->is_null()) return "-";
    return found->is_string() ? found->string() : to_text(*found);
}

std::string json_cell(const Json& object, std::string_view member) {
    const Json* found = object.find(member);
    return found == nullptr ? "-" : to_text(*found);
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto amount = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (amount >= 1024 && unit + 1 < std::size(kUnits)) {
        amount /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

Items entry_items(Form form) {
    return Items(form, {"KEY", "VERSION", "UPDATED", "BY", "VALUE"}, [](const Json& entry) {
        return Cells{cell(entry, "key"), cell(entry, "version"), cell(entry, "updatedAt"),
                     cell(entry, "updatedBy"), json_cell(entry, "value")};
    });
}

}  // namespace se::statectl
