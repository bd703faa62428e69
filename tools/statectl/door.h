#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/json.h"
#include "engine/adapters/http_client.h"
#include "tools/statectl/context.h"

namespace se::statectl {

struct Reply {
    int status = 0;
    std::string body;
};

/// A running daemon: behind the socket of a data folder, or over TCP. One connection, kept.
class Door {
public:
    /// The daemon of --url.
    static Outcome<Door> over_url(const Context& context);
    /// The daemon of --data; nothing when none answers at its socket.
    static Outcome<std::optional<Door>> at_socket(Context& context);
    bool local() const { return local_; }   ///< the socket: the operator's routes are there
    const std::string& name() const { return name_; }

    Outcome<Reply> get(const std::string& target);
    Outcome<Reply> post(const std::string& target, std::string body,
                        std::string_view content_type = "application/json");
    /// A 200's body is shown piece by piece, until `take` says false or it ends; any other answer comes
    /// back whole. `patience` is how long one wait for bytes may take.
    Outcome<Reply> stream(HttpClient::Request request, std::chrono::milliseconds patience,
                          const std::function<bool(std::string_view)>& take);

private:
    Door(HttpClient client, std::string name, bool local)
        : client_(std::move(client)), name_(std::move(name)), local_(local) {}
    Outcome<Reply> ask(HttpClient::Request request);
    Failure away(const Error& error) const;

    HttpClient client_;
    std::string name_;
    bool local_;
};

/// A 502, 503 or 504 that the daemon did not write: what was asked may have happened.
bool of_a_proxy(const Reply& reply);
/// What a refusal ({code, message}) means for this program.
Failure failure_of(const Reply& reply);
/// The body when it is a 200, else why not.
Outcome<std::string> body_of(Outcome<Reply> reply);

/// What the daemon says of its history while it is damaged; else empty.
Outcome<std::string> damage_at(Door& door);

/// The objects of `{"entries":[…]…` or of `[…]`, each exactly as it stands in `body`.
Outcome<std::vector<std::string_view>> objects_in(std::string_view body);

/// The daemon to talk to, or nothing: then the files are read. --url that does not answer is a Failure,
/// and so is --config beside a daemon.
Outcome<std::optional<Door>> find_daemon(Context& context);

}  // namespace se::statectl
