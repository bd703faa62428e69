#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/json.h"
#include "tools/statectl/outcome.h"

namespace se::statectl {

/// How data is shown on stdout: -o.
enum class Form : std::uint8_t { table, json, jsonl };

void print(std::string_view text);
/// Everything printed so far has reached stdout; a Failure when it could not (a full disk).
Outcome<Ok> flush_output();

using Cells = std::vector<std::string>;

/// Rows under headings, columns aligned. The last column takes what is left of a terminal's width and is
/// cut there.
void print_table(const Cells& headings, const std::vector<Cells>& rows, bool show_headings = true);

/// Names and values, a line each: how a table shows a single object.
void print_facts(const std::vector<std::pair<std::string, std::string>>& facts);

/// One object: as it is, on a line; in a table its members. What is no object is printed as it is.
void show_object(Form form, std::string_view json);

/// Prints JSON texts exactly as they are: jsonl one a line, json as one array; a table shows `row` of
/// each, a page at a time, so that a long list needs no memory.
class Items {
public:
    using Row = std::function<Cells(const Json& item)>;
    Items(Form form, Cells headings, Row row);

    void add(std::string_view json);
    /// A table's rows so far are printed, not only whole pages.
    void flush();
    /// Needed at the end: closes the array, prints the last page.
    void finish();
    std::uint64_t count() const { return count_; }

private:
    void print_page();

    Form form_;
    Cells headings_;
    Row row_;
    std::vector<Cells> page_;
    bool headed_ = false;
    std::uint64_t count_ = 0;
};

/// For cells: a member as plain text; strings without quotes, null and absent as `-`.
std::string cell(const Json& object, std::string_view member);
/// As JSON, strings with their quotes: what a value is has to be seen.
std::string json_cell(const Json& object, std::string_view member);
std::string bytes_text(std::uint64_t bytes);  ///< 17.3 MiB

/// Columns of entries as every command shows them.
Items entry_items(Form form);

}  // namespace se::statectl
