#include "tools/statectl/decompress.h"

#include <zlib.h>
#include <zstd.h>

#include <optional>

namespace se::statectl {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what `zstd --long` makes at most by default

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

/// What comes out of the source, kept until a decoder has used it up.
struct Input {
    ByteSource source;
    std::string bytes;
    std::size_t used = 0;
    bool ended = false;

    std::string_view left() const { return std::string_view(bytes).substr(used); }
    Outcome<Ok> fill() {
        if (used == bytes.size()) {
            bytes.clear();
            used = 0;
        }
        const std::size_t before = bytes.size();
        SE_TRY_OK(source(bytes));
        ended = bytes.size() == before;
        return Ok{};
    }
    Outcome<Ok> fill_to(std::size_t size) {
        while (left().size() < size && !ended) SE_TRY_OK(fill());
        return Ok{};
    }
};

class Decoder {
public:
    virtual ~Decoder() = default;
    /// Appends some plain bytes; false at the end.
    virtual Outcome<bool> more(Input& input, std::string& out) = 0;
};

class Plain final : public Decoder {
public:
    Outcome<bool> more(Input& input, std::string& out) override {
        if (input.left().empty() && !input.ended) SE_TRY_OK(input.fill());
        const bool any = !input.left().empty();
        out += input.left();
        input.used = input.bytes.size();
        return any;
    }
};

class Gzip final : public Decoder {
public:
    Gzip() { begin(); }
    ~Gzip() override { inflateEnd(&stream_); }

    Outcome<bool> more(Input& input, std::string& out) override {
        const std::size_t start = out.size();
        for (;;) {
            if (!inside_) {
                SE_TRY_OK(input.fill_to(kGzipMagic.size()));
                if (input.left().empty()) return false;
                // Padding behind the last member, as tape drives leave it, is no data.
                if (input.left().front() == '\0') {
                    input.used = input.bytes.size();
                    continue;
                }
                if (inflateReset(&stream_) != Z_OK) return damaged();
                inside_ = true;
            }
            if (input.left().empty() && !full_) {
                SE_TRY_OK(input.fill());
                if (input.left().empty()) return Failure(kError, "the gzip stream is cut short");
            }
            out.resize(start + kPieceBytes);
            std::string_view left = input.left();
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(left.data()));
            stream_.avail_in = static_cast<uInt>(left.size());
            stream_.next_out = reinterpret_cast<Bytef*>(out.data() + start);
            stream_.avail_out = kPieceBytes;
            const int status = inflate(&stream_, Z_NO_FLUSH);
            input.used += left.size() - stream_.avail_in;
            out.resize(start + kPieceBytes - stream_.avail_out);
            full_ = status != Z_STREAM_END && stream_.avail_out == 0;
            if (status == Z_STREAM_END) inside_ = false;
            else if (status != Z_OK && status != Z_BUF_ERROR) return damaged();
            if (out.size() > start) return true;
        }
    }

private:
    void begin() {
        constexpr int kGzipOnly = 16 + MAX_WBITS;
        good_ = inflateInit2(&stream_, kGzipOnly) == Z_OK;
    }
    Failure damaged() const {
        std::string why = good_ ? "the gzip stream is damaged" : "no memory for zlib";
        if (stream_.msg != nullptr) why += std::string(": ") + stream_.msg;
        return Failure(kError, why);
    }

    z_stream stream_{};
    bool good_ = false;
    bool inside_ = true;  // a member
    bool full_ = false;   // more may come out without more going in
};

class Zstd final : public Decoder {
public:
    Zstd() : stream_(ZSTD_createDStream()) {
        if (stream_ != nullptr)
            ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
    }

    Outcome<bool> more(Input& input, std::string& out) override {
        if (stream_ == nullptr) return Failure(kError, "no memory for zstd");
        const std::size_t start = out.size();
        for (;;) {
            if (input.left().empty() && !full_) {
                SE_TRY_OK(input.fill());
                if (input.left().empty()) {
                    if (wanted_ == 0) return false;
                    return Failure(kError, "the zstd stream is cut short");
                }
            }
            out.resize(start + kPieceBytes);
            ZSTD_outBuffer to{out.data() + start, kPieceBytes, 0};
            ZSTD_inBuffer from{input.left().data(), input.left().size(), 0};
            wanted_ = ZSTD_decompressStream(stream_.get(), &to, &from);
            input.used += from.pos;
            out.resize(start + to.pos);
            full_ = wanted_ != 0 && to.pos == kPieceBytes;
            if (ZSTD_isError(wanted_) != 0) {
                return Failure(kError, std::string("the zstd stream is damaged: ") +
                                           ZSTD_getErrorName(wanted_));
            }
            if (to.pos != 0) return true;
        }
    }

private:
    struct Free {
        void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
    };
    std::unique_ptr<ZSTD_DStream, Free> stream_;
    std::size_t wanted_ = 0;  // 0: a frame has ended here
    bool full_ = false;       // more may come out without more going in
};

}  // namespace

struct Decompressor::State {
    Input input;
    std::unique_ptr<Decoder> decoder;
    std::string_view format;
};

Decompressor::Decompressor(ByteSource source)
    : state_(new State{.input = {.source = std::move(source)}, .decoder = {}, .format = {}}) {}
Decompressor::~Decompressor() = default;

std::string_view Decompressor::format() const { return state_->format; }

Outcome<bool> Decompressor::more(std::string& out) {
    State& s = *state_;
    if (!s.decoder) {
        SE_TRY_OK(s.input.fill_to(kZstdMagic.size()));
        if (s.input.left().starts_with(kGzipMagic)) {
            s.format = "gzip";
            s.decoder = std::make_unique<Gzip>();
        } else if (s.input.left().starts_with(kZstdMagic)) {
            s.format = "zstd";
            s.decoder = std::make_unique<Zstd>();
        } else {
            s.decoder = std::make_unique<Plain>();
        }
    }
    return s.decoder->more(s.input, out);
}

}  // namespace se::statectl
