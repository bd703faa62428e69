#pragma once

namespace se {

/// `state-engine mcp`: MCP over standard input and output, for a host that starts it. Returns the exit code.
/// `arguments[0]` is the word mcp.
int run_mcp(int count, char** arguments);

}  // namespace se
