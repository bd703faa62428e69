#pragma once

#include <string>
#include <vector>

#include "bench/http_load.h"
#include "bench/rows.h"

namespace se::bench {

/// A daemon with a few thousand keys, and a server that only answers.
class McpWorld {
public:
    McpWorld(std::string bin, std::string data);
    const std::string& bin() const { return bin_; }
    const std::string& data() const { return data_; }
    Daemon& daemon() { return daemon_; }
    TrivialServer& trivial() { return trivial_; }

private:
    std::string bin_, data_;
    Daemon daemon_;
    TrivialServer trivial_;
};

/// get_state and propose_mutation through POST /mcp (2026-07-28) and through `state-engine mcp`, at
/// 1, 8 and 64 clients, beside plain HTTP, a server that only answers, and, when `sdk` names the
/// folder that its packages are in, an echo server of the TypeScript SDK over stdio.
void add_mcp_rows(std::vector<Row>& rows, McpWorld& world, const std::string& sdk, double scale);

}  // namespace se::bench
