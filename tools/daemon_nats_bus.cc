// The one place that knows whether there is a library for the bus.

#include "tools/daemon_nats.h"

#ifdef SE_WITH_NATS
#include "engine/adapters/nats_bus.h"
#endif

namespace se {

#ifdef SE_WITH_NATS

bool has_message_bus() {
    return true;
}

std::unique_ptr<MessageBus> make_message_bus(const NatsSettings& nats, DaemonBus::World world) {
    return std::make_unique<NatsBus>(NatsBus::Options{.url = nats.url,
                                                      .name = world.name,
                                                      .token = nats.token,
                                                      .credentials = nats.credentials,
                                                      .tls_ca = nats.tls_ca,
                                                      .tls_certificate = nats.tls_certificate,
                                                      .tls_key = nats.tls_key},
                                     world.clock, world.wake);
}

#else

bool has_message_bus() {
    return false;
}

std::unique_ptr<MessageBus> make_message_bus(const NatsSettings&, DaemonBus::World) {
    return nullptr;
}

#endif

}  // namespace se
