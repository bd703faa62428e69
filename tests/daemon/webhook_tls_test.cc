// The webhook over TLS, against a real server: whom it trusts, and what it says where it does not.

#include <filesystem>
#include <memory>

#include "engine/adapters/http_webhook.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/hook.h"
#include "tests/daemon/receiver.h"
#include "tests/daemon/tls_front.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kHookPatience = 60s;  // for a hung program, not for a slow machine

/// As the daemon names them.
HttpTls::Options files_of_webhook(const std::string& authorities, const std::string& own = "") {
    return {.authorities = {"egress.webhook_tls_ca", authorities},
            .certificate = {"egress.webhook_tls_certificate", own.empty() ? "" : own + ".pem"},
            .key = {"egress.webhook_tls_key", own.empty() ? "" : own + ".key"}};
}

std::string right_authority() {
    return Certificates::file("ca.pem");
}

void replace_file(const std::string& path, const std::string& with) {
    std::filesystem::copy_file(with, path, std::filesystem::copy_options::overwrite_existing);
}

void check_says(const Delivery& told, const std::vector<std::string>& texts) {
    CAPTURE(told.reason);
    CHECK(told.outcome == Delivery::Outcome::outage);
    for (const std::string& text : texts)
        CHECK_MESSAGE(told.reason.find(text) != std::string::npos, text);
    CHECK(told.reason.find("hush") == std::string::npos);
}

TEST_CASE("https: messages arrive in order over one connection, and the server is told whom we want") {
    Receiver receiver;
    for (const std::string host : {"localhost", "127.0.0.1"}) {
        CAPTURE(host);
        TlsFront front(receiver.port());
        Hook hook(front.url(host) + "/hook?x=1", kHookPatience, "hush",
                  files_of_webhook(right_authority()));
        const std::size_t before = receiver.requests().size();
        for (std::uint64_t i = 1; i <= 50; ++i) hook.deliver(i);
        for (const Delivery& told : hook.run(50))
            CHECK_MESSAGE(told.outcome == Delivery::Outcome::acknowledged, told.reason);
        const auto requests = receiver.requests();
        REQUIRE(requests.size() == before + 50);
        for (std::size_t i = 0; i < 50; ++i)
            CHECK(requests[before + i].body == R"({"n":)" + std::to_string(i + 1) + "}");
        CHECK(requests[before].target == "/hook?x=1");
        CHECK(requests[before].header("authorization") == "Bearer hush");
        CHECK(front.count("connection") == 1);
        CHECK(front.count(host == "localhost" ? "sni localhost" : "sni None") == 1);

        const std::string big(2u << 20, 'x');
        hook.sink.deliver(51, {.id = "big", .type = "t", .body = big});
        CHECK(hook.run(51)[50].outcome == Delivery::Outcome::acknowledged);
        CHECK(receiver.requests().back().body == big);
    }
}

TEST_CASE("what TLS finds wrong is an outage that says what, and all gets through when it is mended") {
    struct Row {
        const char* what;
        TlsFront::Options server;
        const char* trusted;
        const char* host;
        std::vector<std::string> says;
    };
    const std::vector<Row> rows = {
        {"another authority",
         {},
         "other-ca.pem",
         "localhost",
         {"of no authority that is trusted", "unable to get local issuer certificate",
          "egress.webhook_tls_ca", "trusted.pem"}},
        {"another host",
         {.certificate = "elsewhere"},
         "ca.pem",
         "localhost",
         {"of another host", "hostname mismatch"}},
        {"another address",
         {.certificate = "elsewhere"},
         "ca.pem",
         "127.0.0.1",
         {"of another host", "IP address mismatch"}},
        {"a certificate of yesterday",
         {.certificate = "expired"},
         "ca.pem",
         "localhost",
         {"not valid now", "certificate has expired"}},
        {"TLS of yesterday", {.more = {"--old"}}, "ca.pem", "localhost", {"no TLS 1.2 or later"}},
        {"one that asks who we are",
         {.more = {"--trust", right_authority()}},
         "ca.pem",
         "localhost",
         {"if it asks for certificates, egress.webhook_tls_certificate and egress.webhook_tls_key"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        TemporaryDirectory folder;
        const std::string trusted = folder.path() + "/trusted.pem";
        replace_file(trusted, Certificates::file(row.trusted));
        Receiver receiver;
        auto front = std::make_unique<TlsFront>(receiver.port(), row.server);
        Hook hook(front->url(row.host) + "/hush-hush", kHookPatience, "hush",
                  files_of_webhook(trusted));
        hook.deliver(1);
        hook.deliver(2);
        hook.run(2);
        check_says(hook.outcomes[0], row.says);
        CHECK(hook.outcomes[1].outcome == Delivery::Outcome::outage);
        CHECK(receiver.requests().empty());

        const std::uint16_t port = front->port();
        front.reset();
        front = std::make_unique<TlsFront>(receiver.port(), TlsFront::Options{.port = port});
        replace_file(trusted, right_authority());
        hook.deliver(3);
        hook.deliver(4);
        hook.run(4);
        for (const std::size_t at : {2u, 3u})
            CHECK_MESSAGE(hook.outcomes[at].outcome == Delivery::Outcome::acknowledged,
                          hook.outcomes[at].reason);
        CHECK(receiver.ids() == std::vector<std::string>{"s:1:3:r:0", "s:1:4:r:0"});
    }
}

TEST_CASE("without a file the system's authorities are in force, and they do not know ours") {
    Receiver receiver;
    TlsFront front(receiver.port());
    Hook hook(front.url(), kHookPatience, "", files_of_webhook(""));
    hook.deliver(1);
    check_says(hook.run(1)[0], {"the system's are in force", "egress.webhook_tls_ca can name a file"});
}

TEST_CASE("a server without TLS is an outage, and gets the message once it has it") {
    auto plain = std::make_unique<Receiver>();
    const std::uint16_t port = plain->port();
    Hook hook("https://localhost:" + std::to_string(port), kHookPatience, "hush",
              files_of_webhook(right_authority()));
    hook.deliver(1);
    check_says(hook.run(1)[0], {"the server has no TLS at that port", "http://"});
    CHECK(plain->requests().empty());
    plain.reset();
    Receiver receiver;
    TlsFront front(receiver.port(), {.port = port});
    hook.deliver(2);
    CHECK(hook.run(2)[1].outcome == Delivery::Outcome::acknowledged);
}

TEST_CASE("a server that hangs up in the handshake, or never answers it, is an outage in time") {
    {
        Parrot peer("", true);
        Hook hook("https://127.0.0.1:" + std::to_string(peer.port()), kHookPatience);
        hook.deliver(1);
        check_says(hook.run(1)[0], {"no TLS with it"});
    }
    Parrot silent("");
    Hook hook("https://127.0.0.1:" + std::to_string(silent.port()), 1s, "",
              files_of_webhook(right_authority()));
    hook.deliver(1);
    hook.deliver(2);
    hook.run(2);
    check_says(hook.outcomes[0], {"no answer within 1000 ms", "TLS"});
    CHECK(hook.outcomes[1].outcome == Delivery::Outcome::outage);
}

TEST_CASE("a server that asks who we are takes what it trusts, and nothing else") {
    Receiver receiver;
    TlsFront front(receiver.port(), {.more = {"--trust", right_authority()}});
    const auto told = [&](const std::string& own) {
        Hook hook(front.url(), kHookPatience, "",
                  files_of_webhook(right_authority(), own.empty() ? "" : Certificates::file(own)));
        hook.deliver(1);
        return hook.run(1)[0];
    };
    CHECK(told("client").outcome == Delivery::Outcome::acknowledged);
    for (const char* own : {"", "stranger"})
        check_says(told(own), {"if it asks for certificates", "egress.webhook_tls_certificate"});
    CHECK(receiver.requests().size() == 1);
}

TEST_CASE("over TLS, too, a kept connection that the peer has closed costs no attempt") {
    Receiver receiver;
    auto front = std::make_unique<TlsFront>(receiver.port());
    const std::uint16_t port = front->port();
    Hook hook(front->url(), kHookPatience, "", files_of_webhook(right_authority()));
    hook.deliver(1);
    REQUIRE(hook.run(1)[0].outcome == Delivery::Outcome::acknowledged);
    front.reset();
    front = std::make_unique<TlsFront>(receiver.port(), TlsFront::Options{.port = port});
    hook.deliver(2);
    CHECK_MESSAGE(hook.run(2)[1].outcome == Delivery::Outcome::acknowledged, hook.outcomes[1].reason);
    CHECK(receiver.ids().size() == 2);
}

TEST_CASE("an answer that ends with its connection counts, also when TLS does not hear of the end") {
    for (const bool rude : {false, true}) {
        CAPTURE(rude);
        Parrot peer("HTTP/1.1 200 OK\r\n\r\nthanks", true);
        TlsFront front(peer.port(), {.more = rude ? std::vector<std::string>{"--rude"}
                                                  : std::vector<std::string>{}});
        Hook hook(front.url(), kHookPatience, "", files_of_webhook(right_authority()));
        hook.deliver(1);
        CHECK_MESSAGE(hook.run(1)[0].outcome == Delivery::Outcome::acknowledged,
                      hook.outcomes[0].reason);
    }
}

TEST_CASE("a file that goes away while the daemon runs is an outage until it is back") {
    TemporaryDirectory folder;
    const std::string trusted = folder.path() + "/trusted.pem";
    Receiver receiver;
    TlsFront front(receiver.port());
    Hook hook(front.url(), kHookPatience, "", files_of_webhook(trusted));
    hook.deliver(1);
    hook.deliver(2);
    hook.run(2);
    check_says(hook.outcomes[0], {"egress.webhook_tls_ca: ", "trusted.pem cannot be read"});
    replace_file(trusted, right_authority());
    hook.deliver(3);
    CHECK(hook.run(3)[2].outcome == Delivery::Outcome::acknowledged);
}

TEST_CASE("a message that a missing file holds back is not overtaken when the file is there") {
    TemporaryDirectory folder;
    const std::string trusted = folder.path() + "/trusted.pem";
    Receiver receiver;
    TlsFront front(receiver.port());
    Hook hook(front.url(), kHookPatience, "", files_of_webhook(trusted));
    hook.deliver(1);
    replace_file(trusted, right_authority());
    hook.deliver(2);
    hook.run(2);
    for (std::size_t i = 0; i < 2; ++i) {
        CAPTURE(i);
        CHECK(hook.outcomes[i].ticket == i + 1);
        CHECK(hook.outcomes[i].outcome == Delivery::Outcome::outage);
        CHECK(!hook.outcomes[i].tried);  // nothing has left us
    }
    CHECK(receiver.requests().empty());
    hook.deliver(3);
    CHECK(hook.run(3)[2].outcome == Delivery::Outcome::acknowledged);
}

TEST_CASE("what is no matter of our certificate is not said to be one") {
    const auto reason_of = [](const std::string& says) {
        Parrot peer(says, true);
        Hook hook("https://127.0.0.1:" + std::to_string(peer.port()), kHookPatience, "",
                  files_of_webhook(right_authority()));
        hook.deliver(1);
        const Delivery told = hook.run(1)[0];
        CHECK(told.outcome == Delivery::Outcome::outage);
        return told.reason;
    };
    const auto alert = [](char number) { return std::string("\x15\x03\x03\x00\x02\x02", 6) + number; };
    const std::string internal_error = reason_of(alert(80));
    CHECK_MESSAGE(internal_error.find("the server broke off") != std::string::npos, internal_error);
    CHECK(internal_error.find("certificate") == std::string::npos);
    const std::string handshake_failure = reason_of(alert(40));
    CHECK_MESSAGE(handshake_failure.find("the server broke off") != std::string::npos, handshake_failure);
    CHECK(handshake_failure.find("egress.webhook_tls_certificate") != std::string::npos);
    const std::string hung_up = reason_of("");
    CHECK_MESSAGE(hung_up.find("certificate") == std::string::npos, hung_up);
}

TEST_CASE("an answer that breaks off has nothing to do with what the server asked for before") {
    Parrot peer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true);
    TlsFront front(peer.port(), {.more = {"--rude", "--trust", right_authority()}});
    Hook hook(front.url(), kHookPatience, "",
              files_of_webhook(right_authority(), Certificates::file("client")));
    hook.deliver(1);
    check_says(hook.run(1)[0], {"the connection broke"});
    CHECK_MESSAGE(hook.outcomes[0].reason.find("certificate") == std::string::npos,
                  hook.outcomes[0].reason);
}

TEST_CASE("going away in the midst of TLS harms nobody") {
    Parrot silent("");
    auto hook = std::make_unique<Hook>("https://127.0.0.1:" + std::to_string(silent.port()),
                                       kHookPatience, "", files_of_webhook(right_authority()));
    hook->deliver(1);
    std::thread later([&] {
        std::this_thread::sleep_for(50ms);  // the handshake waits for an answer by then, or soon
        hook->loop.stop();
    });
    hook->loop.run();
    later.join();
    hook.reset();
    CHECK(true);
}

TEST_CASE("files of TLS that cannot be are refused by what names them and by path, and tell no key") {
    struct Row {
        const char* what;
        HttpTls::Options files;
        std::vector<std::string> says;
    };
    TemporaryDirectory folder;
    const auto named = [](const std::string& authorities, const std::string& certificate,
                          const std::string& key) {
        return HttpTls::Options{
            .authorities = {"the-ca", authorities.empty() ? "" : Certificates::file(authorities)},
            .certificate = {"the-certificate",
                            certificate.empty() ? "" : Certificates::file(certificate)},
            .key = {"the-key", key.empty() ? "" : Certificates::file(key)}};
    };
    CHECK(HttpTls::make(named("ca.pem", "client.pem", "client.key")));
    CHECK(HttpTls::make({}));
    std::ifstream key(Certificates::file("client.key"));
    std::string secret;
    std::getline(key, secret);
    std::getline(key, secret);
    REQUIRE(secret.size() > 20);
    const std::vector<Row> rows = {
        {"missing", named("none.pem", "", ""), {"the-ca: ", "none.pem cannot be read: No such file"}},
        {"a folder", {.authorities = {"the-ca", folder.path()}}, {"the-ca: ", folder.path()}},
        {"a key", named("server.key", "", ""), {"the-ca: ", "server.key holds no certificate"}},
        {"text", named("server.ext", "", ""), {"the-ca: ", "server.ext holds no certificate"}},
        {"no key", named("ca.pem", "client.pem", ""), {"the-certificate and the-key", "together"}},
        {"no certificate", named("ca.pem", "", "client.key"), {"the-certificate and the-key"}},
        {"a key for a certificate",
         named("ca.pem", "client.key", "client.key"),
         {"the-certificate: ", "client.key holds no certificate"}},
        {"a missing key", named("", "client.pem", "none.key"), {"the-key: ", "none.key cannot be read"}},
        {"a certificate for a key",
         named("", "client.pem", "client.pem"),
         {"the-key: ", "client.pem holds no key"}},
        {"another's key",
         named("", "client.pem", "stranger.key"),
         {"the-key: ", "stranger.key holds no key", "of the-certificate", "key values mismatch"}},
        {"a key that is locked",
         named("", "client.pem", "locked.key"),
         {"the-key: ", "locked.key holds no key in PEM, without a passphrase"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto made = HttpTls::make(row.files);
        REQUIRE(!made);
        CHECK(made.error().code == Errc::malformed);
        for (const std::string& text : row.says)
            CHECK_MESSAGE(made.error().text.find(text) != std::string::npos, made.error().text);
        CHECK(made.error().text.find(secret) == std::string::npos);
    }
}

}  // namespace
}  // namespace se::test
