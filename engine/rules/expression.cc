#include "engine/rules/expression.h"

#include <algorithm>
#include <array>
#include <optional>

namespace se {
namespace {

using Operator = Expression::Operator;

constexpr std::size_t kParenthesesMax = 64;  ///< parentheses in one another

std::optional<std::strong_ordering> order(const Json& a, const Json& b) {
    if (a.is_string() && b.is_string()) return a.string() <=> b.string();
    if (!a.is_number() || !b.is_number()) return std::nullopt;
    if (a.is_integer() && b.is_integer()) return a.integer() <=> b.integer();
    const double x = a.number(), y = b.number();
    return x < y   ? std::strong_ordering::less
           : x > y ? std::strong_ordering::greater
                   : std::strong_ordering::equal;
}

bool compare(const Json* found, Operator op, const Json& literal) {
    if (op == Operator::equal) return found != nullptr && *found == literal;
    if (op == Operator::different) return found == nullptr || *found != literal;
    if (found == nullptr) return false;
    const auto ordered = order(*found, literal);
    if (!ordered) return false;
    switch (op) {
        case Operator::less:
            return *ordered < 0;
        case Operator::less_or_equal:
            return *ordered <= 0;
        case Operator::greater:
            return *ordered > 0;
        default:
            return *ordered >= 0;
    }
}

struct Sign {
    std::string_view text;
    Operator op;
};
constexpr std::array<Sign, 6> kSigns = {{{"==", Operator::equal},
                                         {"!=", Operator::different},
                                         {"<=", Operator::less_or_equal},
                                         {">=", Operator::greater_or_equal},
                                         {"<", Operator::less},
                                         {">", Operator::greater}}};

class ExpressionParser {
public:
    explicit ExpressionParser(std::string_view text) : text_(text) {}

    Result<Expression> run() && {
        SE_TRY(whole, any(0));
        skip_blanks();
        if (at_ < text_.size()) return wrong("&&, || or the end");
        return std::move(whole);
    }

private:
    Result<Expression> any(std::size_t depth) { return joined(Expression::Kind::any, "||", depth); }

    Result<Expression> joined(Expression::Kind kind, std::string_view sign, std::size_t depth) {
        Expression expression;
        expression.kind = kind;
        do {
            auto part = kind == Expression::Kind::any ? joined(Expression::Kind::all, "&&", depth)
                                                      : one(depth);
            if (!part) return part;
            expression.parts.push_back(std::move(*part));
        } while (take(sign));
        if (expression.parts.size() > 1) return expression;
        Expression alone = std::move(expression.parts.front());
        return alone;
    }

    Result<Expression> one(std::size_t depth) {
        if (!take("(")) return comparison();
        if (depth >= kParenthesesMax)
            return Error{Errc::malformed, "more than " + std::to_string(kParenthesesMax) +
                                              " parentheses in one another"};
        SE_TRY(inner, any(depth + 1));
        if (!take(")")) return wrong("a closing parenthesis");
        return std::move(inner);
    }

    Result<Expression> comparison() {
        skip_blanks();
        const std::size_t begin = at_;
        at_ = std::min(text_.find_first_of(" \t\r\n=!<>&|()'\"", at_), text_.size());
        Expression expression;
        expression.kind = Expression::Kind::compare;
        expression.is_key = true;
        expression.path = text_.substr(begin, at_ - begin);
        if (expression.path.empty()) return wrong("a key");
        const auto* const sign =
            std::ranges::find_if(kSigns, [this](const Sign& known) { return take(known.text); });
        if (sign == kSigns.end()) return wrong("== != < <= > or >=");
        expression.op = sign->op;
        SE_TRY(value, literal());
        expression.literal = std::move(value);
        return expression;
    }

    Result<Json> literal() {
        skip_blanks();
        if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) return quoted();
        const std::size_t begin = at_;
        at_ = std::min(text_.find_first_of(" \t\r\n=!<>&|()'\"", at_), text_.size());
        const std::string_view word = text_.substr(begin, at_ - begin);
        auto json = parse_json(word);
        if (json && !json->is_array() && !json->is_object()) return json;
        at_ = begin;
        return wrong(word.empty()
                         ? "a literal"
                         : "a literal; a text stands in quotes: '" + std::string(word) + "'");
    }

    Result<Json> quoted() {
        const char quote = text_[at_];
        std::string out;
        for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
            if (text_[i] == quote) {
                at_ = i + 1;
                return Json(std::move(out));
            }
            if (text_[i] == '\\' && i + 1 < text_.size()) ++i;
            out += text_[i];
        }
        return wrong("the closing quote of this text");
    }

    void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

    bool take(std::string_view what) {
        skip_blanks();
        if (!text_.substr(at_).starts_with(what)) return false;
        at_ += what.size();
        return true;
    }

    Error wrong(const std::string& expected) const {
        return Error{Errc::malformed,
                     "at character " + std::to_string(at_ + 1) + " there must be " + expected};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

bool Expression::holds(const Moment& moment) const {
    const auto part_holds = [&](const Expression& part) { return part.holds(moment); };
    if (kind == Kind::all) return std::ranges::all_of(parts, part_holds);
    if (kind == Kind::any) return std::ranges::any_of(parts, part_holds);
    return compare(is_key ? moment.look_at_key(path) : moment.look(path), op, literal);
}

void Expression::collect_keys(std::vector<std::string>* out) const {
    if (kind == Kind::compare && is_key) out->push_back(path);
    for (const Expression& part : parts) part.collect_keys(out);
}

Result<Expression> parse_expression(std::string_view text) {
    return ExpressionParser(text).run();
}

}  // namespace se
