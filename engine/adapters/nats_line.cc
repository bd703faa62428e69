#include "engine/adapters/nats_line.h"

#include <nats/nats.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "engine/adapters/nats_wire.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr auto kClosePatience = 5s;  // for callbacks that are on their way when we end

struct Free {
    void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
    void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
    void operator()(natsSubscription* subscription) const {
        natsSubscription_Destroy(subscription);
    }
    void operator()(const char** names) const { std::free(static_cast<void*>(names)); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// What the callbacks of one connection are given. The last of them deletes it.
struct Closure {
    std::shared_ptr<NatsLine::Shared> shared;
    std::uint64_t line = 0;
    std::atomic<int> owners = 1;  // the connection's own last call, and each subscription's

    void let_go() {
        if (--owners != 0) return;
        const std::shared_ptr<NatsLine::Shared> keep = shared;
        delete this;
        const std::lock_guard lock(keep->mutex);
        --keep->open;
        keep->closed.notify_all();
    }
};

BusHeaders headers_of(natsMsg* message) {
    BusHeaders headers;
    const char** names = nullptr;
    int count = 0;
    if (natsMsgHeader_Keys(message, &names, &count) != NATS_OK) return headers;
    const Owned<const char*> hold(names);
    for (int i = 0; i < count; ++i) {
        const char* value = nullptr;
        if (natsMsgHeader_Get(message, names[i], &value) == NATS_OK)
            headers.emplace_back(names[i], value == nullptr ? "" : value);
    }
    return headers;
}

std::string text(const char* from) {
    return from == nullptr ? "" : from;
}

void received(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
    const Owned<natsMsg> message(raw);
    auto& to = *static_cast<Closure*>(closure);
    NatsLine::Event event{.what = NatsLine::Event::What::received, .line = to.line};
    event.subject = text(natsMsg_GetSubject(raw));
    event.reply = text(natsMsg_GetReply(raw));
    if (natsMsg_GetDataLength(raw) > 0)
        event.payload.assign(natsMsg_GetData(raw),
                             static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
    event.headers = headers_of(raw);
    event.status = bus_header(event.headers, "status");
    to.shared->add(std::move(event));
}

void closed(natsConnection* connection, void* closure) {
    auto& to = *static_cast<Closure*>(closure);
    const char* said = nullptr;
    natsConnection_GetLastError(connection, &said);
    to.shared->add({.what = NatsLine::Event::What::lost,
                    .line = to.line,
                    .error = said == nullptr || *said == '\0' ? "the connection broke" : said});
    to.let_go();
}

void completed(void* closure) {
    static_cast<Closure*>(closure)->let_go();
}

/// Asynchronous errors (a slow consumer, a permission) come as missing answers, too.
void ignored(natsConnection*, natsSubscription*, natsStatus, void*) {}

std::string describe(natsStatus status) {
    return text(natsStatus_GetText(status));
}

/// What the library says beside the status, for statuses whose texts hold nothing of the url: it
/// may have a password. Of this thread's last call.
std::string detail(natsStatus status) {
    if (status != NATS_SSL_ERROR && status != NATS_ERR) return "";
    natsStatus last = NATS_OK;
    std::string said = text(nats_GetLastError(&last));
    if (last != status || said.empty()) return "";
    // "(conn.c:733): " is for those who have its source.
    if (const std::size_t place = said.find("): "); said.front() == '(' && place != said.npos)
        said.erase(0, place + 3);
    return ": " + said;
}

/// What an operator can do about it.
std::string_view way_out(natsStatus status, const NatsBus::Options& options, bool tls) {
    switch (status) {
        case NATS_CONNECTION_AUTH_FAILED:
        case NATS_NOT_PERMITTED:
            if (!options.credentials.empty()) return "; the server does not take nats.credentials";
            if (!options.token.empty()) return "; the server does not take nats.token";
            return "; the server wants to know who we are, and does not take what nats.url says: "
                   "see nats.token, nats.credentials, or a user and a password in nats.url";
        case NATS_SECURE_CONNECTION_WANTED:
            return "; the server has no TLS: nats.url would begin with nats://, without "
                   "nats.tls_ca "
                   "and nats.tls_certificate";
        case NATS_SECURE_CONNECTION_REQUIRED:
            return "; the server wants TLS: nats.url would begin with tls://";
        case NATS_SSL_ERROR:
            return "; nats.tls_ca must have the authority of the server's certificate, and that "
                   "must be of the host in nats.url";
        case NATS_PROTOCOL_ERROR:
        case NATS_IO_ERROR:
            // What comes of a certificate that the server asks for in vain or does not trust.
            if (tls)
                return "; if the server asks for certificates, nats.tls_certificate and "
                       "nats.tls_key must be what it trusts";
            return "";
        case NATS_ERR:
            if (!options.credentials.empty() &&
                detail(status).find(options.credentials) != std::string::npos)
                return "; nats.credentials must have a JWT and its seed";
            return "";
        case NATS_INVALID_ARG:
            return "; nats.url is no address";
        default:
            return "";
    }
}

}  // namespace

struct NatsLine::Connection {
    natsConnection* handle = nullptr;
    std::uint64_t line = 0;
    Closure* closure = nullptr;
    std::vector<Owned<natsSubscription>> subscriptions;

    ~Connection() {
        subscriptions.clear();
        // Its last callback lets go of the closure.
        natsConnection_Destroy(handle);
    }
};

void NatsLine::Shared::add(Event&& event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
    if (events.size() == 1 && wake) wake();
}

NatsLine::NatsLine(NatsBus::Options options, std::function<void()> wake)
    : options_(std::move(options)), shared_(std::make_shared<Shared>()) {
    shared_->wake = std::move(wake);
    thread_ = std::thread([this] { run(); });
}

NatsLine::~NatsLine() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
    std::unique_lock lock(shared_->mutex);
    shared_->wake = nullptr;
    shared_->closed.wait_for(lock, kClosePatience, [this] { return shared_->open == 0; });
}

bool NatsLine::put(Command&& command) {
    {
        const std::lock_guard lock(mutex_);
        const bool send = command.what == Command::What::send;
        if (send && bytes_ > 0 && bytes_ + command.payload.size() > options_.queue_bytes)
            return false;
        bytes_ += command.payload.size();
        commands_.push_back(std::move(command));
        if (commands_.size() > 1) return true;  // it is awake
    }
    changed_.notify_one();
    return true;
}

std::vector<NatsLine::Event> NatsLine::take() {
    const std::lock_guard lock(shared_->mutex);
    return std::exchange(shared_->events, {});
}

void NatsLine::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !commands_.empty(); });
        if (commands_.empty()) break;
        // It stays at the front while it is worked on, so that put() knows that we are awake.
        Command& command = commands_.front();
        const bool leave_out = stopping_ && command.what == Command::What::connect;
        lock.unlock();
        if (!leave_out) carry_out(command);
        lock.lock();
        bytes_ -= commands_.front().payload.size();
        commands_.pop_front();
    }
    lock.unlock();
    close();
}

void NatsLine::carry_out(Command& command) {
    switch (command.what) {
        case Command::What::connect:
            return connect(command.line);
        case Command::What::send:
            return send(command);
        case Command::What::subscribe:
            return subscribe(command);
        case Command::What::disconnect:
            return close();
    }
}

void NatsLine::close() {
    connection_.reset();
}

void NatsLine::connect(std::uint64_t line) {
    close();
    natsOptions* raw = nullptr;
    natsStatus status = natsOptions_Create(&raw);
    const Owned<natsOptions> options(raw);
    auto* const closure = new Closure{.shared = shared_, .line = line};
    std::vector<std::string> urls;
    for (std::size_t at = 0; at <= options_.url.size();) {
        const std::size_t comma = std::min(options_.url.find(',', at), options_.url.size());
        urls.push_back(options_.url.substr(at, comma - at));
        at = comma + 1;
    }
    std::vector<const char*> servers;
    for (const std::string& url : urls) servers.push_back(url.c_str());
    const bool tls = options_.url.starts_with("tls://") || !options_.tls_ca.empty() ||
                     !options_.tls_certificate.empty();
    std::string wrong;  // of the first one that was not taken
    const auto set = [&](natsStatus next, std::string_view setting = {}) {
        if (status != NATS_OK || next == NATS_OK) return;
        status = next;
        wrong = std::string(setting) + ": " + describe(next) + detail(next);
    };
    set(natsOptions_SetServers(raw, servers.data(), static_cast<int>(servers.size())), "nats.url");
    set(natsOptions_SetName(raw, options_.name.c_str()));
    set(natsOptions_SetTimeout(raw, options_.timeout.count()));
    // Else a server that stands still would hold whoever writes, and the pings that would tell, for ever.
    set(natsOptions_SetWriteDeadline(raw, options_.timeout.count()));
    set(natsOptions_SetPingInterval(raw, options_.ping.count()));
    set(natsOptions_SetMaxPingsOut(raw, 2));
    // When to try again is decided above us, where a test can see it.
    set(natsOptions_SetAllowReconnect(raw, false));
    set(natsOptions_SetIgnoreDiscoveredServers(raw, true));
    set(natsOptions_SetSendAsap(raw, true));  // else every request waits a millisecond for company
    set(natsOptions_SetErrorHandler(raw, ignored, nullptr));
    set(natsOptions_SetClosedCB(raw, closed, closure));
    if (!options_.token.empty())
        set(natsOptions_SetToken(raw, options_.token.c_str()), "nats.token");
    if (!options_.credentials.empty())
        set(natsOptions_SetUserCredentialsFromFiles(raw, options_.credentials.c_str(), nullptr),
            "nats.credentials");
    if (tls) set(natsOptions_SetSecure(raw, true), "TLS");
    if (!options_.tls_ca.empty())
        set(natsOptions_LoadCATrustedCertificates(raw, options_.tls_ca.c_str()), "nats.tls_ca");
    if (!options_.tls_certificate.empty())
        set(natsOptions_LoadCertificatesChain(raw, options_.tls_certificate.c_str(),
                                              options_.tls_key.c_str()),
            "nats.tls_certificate and nats.tls_key");

    natsConnection* handle = nullptr;
    if (status == NATS_OK) {
        {
            const std::lock_guard lock(shared_->mutex);
            ++shared_->open;
        }
        status = natsConnection_Connect(&handle, raw);
        if (status != NATS_OK) {
            // Without a connection there is no last callback.
            shared_->add({.what = Event::What::lost,
                          .line = line,
                          .error = without_credentials(options_.url) + ": " + describe(status) +
                                   detail(status) + std::string(way_out(status, options_, tls))});
            return closure->let_go();
        }
        connection_ = std::make_unique<Connection>();
        connection_->handle = handle;
        connection_->line = line;
        connection_->closure = closure;
        return shared_->add({.what = Event::What::connected, .line = line});
    }
    delete closure;
    shared_->add({.what = Event::What::lost,
                  .line = line,
                  .error = wrong.empty() ? describe(status) : std::move(wrong)});
}

void NatsLine::send(Command& command) {
    natsStatus status = NATS_CONNECTION_CLOSED;
    if (connection_ && connection_->line == command.line) {
        natsMsg* raw = nullptr;
        status = natsMsg_Create(&raw, command.subject.c_str(),
                                command.reply.empty() ? nullptr : command.reply.c_str(),
                                command.payload.data(), static_cast<int>(command.payload.size()));
        const Owned<natsMsg> message(raw);
        for (const auto& [name, value] : command.headers) {
            if (status == NATS_OK) status = natsMsgHeader_Set(raw, name.c_str(), value.c_str());
        }
        if (status == NATS_OK) status = natsConnection_PublishMsg(connection_->handle, raw);
    }
    if (status == NATS_OK || command.token == 0) return;
    shared_->add({.what = Event::What::not_sent,
                  .line = command.line,
                  .error = describe(status),
                  .token = command.token,
                  .too_large = status == NATS_MAX_PAYLOAD});
}

void NatsLine::subscribe(const Command& command) {
    if (!connection_ || connection_->line != command.line) return;
    natsSubscription* raw = nullptr;
    natsStatus status =
        command.group.empty()
            ? natsConnection_Subscribe(&raw, connection_->handle, command.subject.c_str(), received,
                                       connection_->closure)
            : natsConnection_QueueSubscribe(&raw, connection_->handle, command.subject.c_str(),
                                            command.group.c_str(), received, connection_->closure);
    Owned<natsSubscription> subscription(raw);
    // What may come is bounded by what was asked for, and by the consumer's max_ack_pending.
    if (status == NATS_OK) status = natsSubscription_SetPendingLimits(raw, -1, -1);
    if (status == NATS_OK) {
        ++connection_->closure->owners;
        status = natsSubscription_SetOnCompleteCB(raw, completed, connection_->closure);
        if (status != NATS_OK) connection_->closure->let_go();
    }
    if (status == NATS_OK) {
        connection_->subscriptions.push_back(std::move(subscription));
        return;
    }
    shared_->add({.what = Event::What::lost,
                  .line = command.line,
                  .error = "subscribing to " + command.subject + ": " + describe(status)});
}

}  // namespace se
