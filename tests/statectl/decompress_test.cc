// Streams come back as they were; a stream cut short anywhere is said to be.

#include "tools/statectl/decompress.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>

namespace {

using namespace se;
using namespace se::statectl;

std::string gzip(const std::string& plain) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&stream, plain.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string zstd(const std::string& plain) {
    std::string out(ZSTD_compressBound(plain.size()), '\0');
    const std::size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3);
    REQUIRE(ZSTD_isError(size) == 0);
    out.resize(size);
    return out;
}

/// All of it, fed in pieces of `piece` bytes.
Outcome<std::string> decompress(const std::string& stream, std::size_t piece) {
    std::size_t at = 0;
    Decompressor plain([&](std::string& out) -> Outcome<Ok> {
        const std::size_t size = std::min(piece, stream.size() - at);
        out.append(stream, at, size);
        at += size;
        return Ok{};
    });
    std::string all;
    for (;;) {
        SE_TRY(more, plain.more(all));
        if (!more) return all;
    }
}

std::string sample(std::size_t size) {
    std::mt19937 random(7);
    std::string text;
    while (text.size() < size) text += std::to_string(random() % 1000) + (random() % 9 == 0 ? "\n" : ",");
    return text;
}

TEST_CASE("plain, gzip and zstd streams come back as they were, in whatever pieces they come") {
    const std::string text = sample(3000);
    const std::string zeros(3u << 20, '0');  // far more comes out than goes in
    for (const std::string& plain : {std::string(), std::string("x"), std::string("\x1f"), text, zeros}) {
        for (const std::string& stream :
             {plain, gzip(plain), zstd(plain), gzip(plain) + gzip(text), zstd(plain) + zstd(text)}) {
            const bool twice = stream == gzip(plain) + gzip(text) || stream == zstd(plain) + zstd(text);
            for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{100'000'000}}) {
                if (piece < 100 && stream.size() > 100'000) continue;
                const auto back = decompress(stream, piece);
                REQUIRE(back);
                CHECK(*back == (twice ? plain + text : plain));
            }
        }
    }
}

TEST_CASE("every prefix of a compressed stream is known to be one") {
    const std::string plain = sample(2000);
    for (const std::string& stream : {gzip(plain), zstd(plain)}) {
        for (std::size_t size = 4; size < stream.size(); ++size) {
            CAPTURE(size);
            const auto back = decompress(stream.substr(0, size), 64);
            REQUIRE_FALSE(back);
            CHECK(back.error().text.find("short") != std::string::npos);
        }
    }
}

TEST_CASE("a flipped bit in a gzip stream is damage or no gzip, never other text") {
    const std::string plain = sample(600);
    const std::string stream = gzip(plain);
    for (std::size_t bit = 10 * 8; bit < stream.size() * 8; ++bit) {
        std::string damaged = stream;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        const auto back = decompress(damaged, 1000);
        CHECK((!back || *back == plain));
    }
}

}  // namespace
