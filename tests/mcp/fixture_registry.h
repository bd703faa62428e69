#pragma once

#include <chrono>
#include <functional>

#include "mcp/registry.h"

namespace se::mcp::test {

/// Runs something later, on the same thread.
using Later = std::function<void(std::chrono::milliseconds wait, std::function<void()> job)>;

/// What the conformance suites ask of a server: their fixture tools, resources and prompts. It outlives the
/// Server over it.
class FixtureRegistry final : public ResourceSource {
public:
    explicit FixtureRegistry(Later later);

    Registry registry;

    Result<ResourcePage> list(const Caller& caller, std::string_view after, std::size_t limit) override;
    void read(ToolContextPtr context, std::string uri, std::function<void(ResourceOutcome)> done) override;
    bool may_list(const Caller& caller, std::string_view uri) override;
    bool may_subscribe(const Caller& caller, std::string_view uri) override;

private:
    void add_content_tools();
    void add_slow_tools();
    void add_asking_tools();
    void add_tools_that_ask_again();
    void add_change_tools();
    void add_prompts();
    Later later_;
};

}  // namespace se::mcp::test
