#include "engine/adapters/http_parser.h"

#include <algorithm>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

namespace se {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

/// A client that announces a large body gets this much memory at once, the rest as it comes.
constexpr std::size_t kBodyReserveMax = 256u << 10;

constexpr std::size_t kChunksEndBytes = 5;  ///< 0 CR LF CR LF

Problem limit_problem(int status, const char* what, std::size_t limit) {
    return {.status = status,
            .code = Code::too_large,
            .message = std::string(what) + " is over " + std::to_string(limit) + " bytes"};
}

/// Puts what Beast reads into a Request, without Beast's containers.
class RequestReader final : public http::basic_parser<true> {
public:
    explicit RequestReader(HttpParser::Limits limits) : limits_(limits) {
        eager(true);
        header_limit(static_cast<std::uint32_t>(limits.header_bytes));
        body_limit(limits.body_bytes);
    }

    Request request;
    bool expects_continue = false;
    bool http_1_0 = false;
    std::optional<Problem> refusal;

private:
    void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                         int version, beast::error_code& error) override {
        request.method.assign(method.data(), method.size());
        request.target.assign(target.data(), target.size());
        request.headers.reserve(16);
        http_1_0 = version == 10;
        count_header(method.size() + target.size() + 12, error);
    }
    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

    void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                       beast::error_code& error) override {
        // Beast's own limit is for what it holds unparsed, so that a header which comes line by line never
        // meets it.
        count_header(name.size() + value.size() + 4, error);
        if (in_body_ || error) return;  // a trailer: nothing behind the body may say who is asking
        if (field == http::field::host && ++hosts_ > 1)
            return refuse({.message = "more than one Host"}, error);
        if (field == http::field::transfer_encoding) {
            if (http_1_0 || !beast::iequals(value, "chunked")) {
                return refuse({.status = 501,
                               .message = "the only Transfer-Encoding understood is chunked"},
                              error);
            }
        }
        if (field == http::field::expect)
            expects_continue = beast::iequals(value, "100-continue") && !http_1_0;
        auto& [own_name, own_value] = request.headers.emplace_back();
        own_name.assign(name.data(), name.size());
        for (char& c : own_name) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
        own_value.assign(value.data(), value.size());
    }

    void on_header_impl(beast::error_code& error) override {
        in_body_ = true;
        if (hosts_ == 0 && !http_1_0) refuse({.message = "HTTP/1.1 needs a Host"}, error);
    }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                           beast::error_code&) override {
        if (length) request.body.reserve(std::min<std::size_t>(*length, kBodyReserveMax));
    }
    std::size_t on_body_impl(beast::string_view body, beast::error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body,
                                   beast::error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    void count_header(std::size_t bytes, beast::error_code& error) {
        header_bytes_ += bytes;
        if (header_bytes_ > limits_.header_bytes) error = http::error::header_limit;
    }
    void refuse(Problem&& problem, beast::error_code& error) {
        refusal = std::move(problem);
        error = http::error::bad_value;
    }

    const HttpParser::Limits limits_;
    std::size_t header_bytes_ = 0;
    int hosts_ = 0;
    bool in_body_ = false;
};

}  // namespace

class HttpParser::Impl {
public:
    explicit Impl(Limits limits) : limits_(limits) { reader_.emplace(limits); }

    std::size_t feed(std::string_view bytes) {
        std::size_t taken = 0;
        // RFC 9112 2.2: an empty line before a request is to be ignored.
        while (!reader_->got_some() && bytes.substr(taken).starts_with("\r\n")) taken += 2;
        if (!reader_->got_some() && bytes.substr(taken) == "\r") return taken;
        while (taken < bytes.size() && !reader_->is_done()) {
            beast::error_code error;
            const std::string_view rest = bytes.substr(taken);
            // Beast asserts that it sees the whole end of a body without chunks when it sees a part of
            // it for the second time. Less than that ends no request: it can wait.
            if (reader_->is_header_done() && reader_->chunked() && rest.starts_with('0') &&
                rest.size() < kChunksEndBytes)
                break;
            const std::size_t used = reader_->put({rest.data(), rest.size()}, error);
            taken += used;
            if (error == http::error::need_more) {
                // What is left over is a line that has not ended: of the header, or of a chunk's size.
                if (bytes.size() - taken > limits_.header_bytes) fail(http::error::header_limit);
                break;
            }
            if (error) {
                fail(error);
                break;
            }
        }
        return taken;
    }

    State state() const {
        if (problem_) return State::failed;
        if (reader_->is_done()) return State::done;
        if (reader_->is_header_done()) return State::body;
        return reader_->got_some() ? State::header : State::idle;
    }
    const Problem& problem() const { return *problem_; }
    const RequestReader& reader() const { return *reader_; }

    Request take() {
        Request request = std::move(reader_->request);
        reader_.emplace(limits_);
        return request;
    }

private:
    void fail(beast::error_code error) {
        if (reader_->refusal) {
            problem_ = std::move(reader_->refusal);
        } else if (error == http::error::header_limit) {
            problem_ = limit_problem(431, "the header", limits_.header_bytes);
        } else if (error == http::error::body_limit) {
            problem_ = limit_problem(413, "the body", limits_.body_bytes);
        } else if (error == http::error::bad_version) {
            problem_ = {.status = 505, .message = "not HTTP/1.1"};
        } else {
            problem_ = {.message = "no HTTP request: " + error.message()};
        }
    }

    const Limits limits_;
    std::optional<RequestReader> reader_;
    std::optional<Problem> problem_;
};

HttpParser::HttpParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpParser::~HttpParser() = default;

std::size_t HttpParser::feed(std::string_view bytes) { return impl_->feed(bytes); }
HttpParser::State HttpParser::state() const { return impl_->state(); }
const Problem& HttpParser::problem() const { return impl_->problem(); }
bool HttpParser::wants_continue() const {
    return state() == State::body && impl_->reader().expects_continue &&
           impl_->reader().request.body.empty();
}
bool HttpParser::keep_alive() const { return impl_->reader().keep_alive(); }
bool HttpParser::is_http_1_0() const { return impl_->reader().http_1_0; }
std::size_t HttpParser::body_bytes() const { return impl_->reader().request.body.size(); }
Request HttpParser::take() { return impl_->take(); }

}  // namespace se
