#include <cstddef>
#include <utility>

#include "projection/lmdb.internal.h"

namespace se::lmdb {
namespace {

MDB_val val(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())};
}
std::string_view text(const MDB_val& value) {
    return {static_cast<const char*>(value.mv_data), value.mv_size};
}

Result<std::optional<std::string_view>> get_from(MDB_txn* txn, MDB_dbi handle,
                                                 std::string_view key) {
    MDB_val k = val(key), v{};
    const int rc = mdb_get(txn, handle, &k, &v);
    if (rc == MDB_SUCCESS) return std::optional(text(v));
    if (rc == MDB_NOTFOUND || key.empty()) return std::optional<std::string_view>{};
    return outcome(rc, "get").error();
}

}  // namespace

// --- reading -----------------------------------------------------------------------------------

ReadTxn::ReadTxn(ReadTxn&& other) noexcept
    : env_(std::move(other.env_)),
      slots_(std::exchange(other.slots_, {})),
      note_(std::exchange(other.note_, {})) {}

ReadTxn& ReadTxn::operator=(ReadTxn&& other) noexcept {
    std::swap(env_, other.env_);
    std::swap(slots_, other.slots_);
    std::swap(note_, other.note_);
    return *this;
}

ReadTxn::~ReadTxn() {
    if (env_ != nullptr) env_->release(slots_);
}

Result<std::optional<std::string_view>> ReadTxn::get(Database database,
                                                     std::string_view key) const {
    return get_from(slots_.view, env_->view_handles_[index(database)], key);
}

Result<std::uint64_t> ReadTxn::count(Database database) const {
    MDB_stat found{};
    SE_TRY_OK(outcome(mdb_stat(slots_.view, env_->view_handles_[index(database)], &found), "stat"));
    return std::uint64_t{found.ms_entries};
}

Result<Cursor> ReadTxn::cursor(Database database) const {
    MDB_cursor* raw = nullptr;
    SE_TRY_OK(outcome(mdb_cursor_open(slots_.view, env_->view_handles_[index(database)], &raw),
                      "cursor_open"));
    Cursor cursor;
    cursor.cursor_.reset(raw);
    return cursor;
}

void Cursor::Close::operator()(MDB_cursor* cursor) const {
    mdb_cursor_close(cursor);
}

Result<bool> Cursor::move(int operation, std::string_view key, std::string_view value) {
    MDB_val k = val(key), v = val(value);
    const int rc = mdb_cursor_get(cursor_.get(), &k, &v, static_cast<MDB_cursor_op>(operation));
    if (rc == MDB_NOTFOUND) return false;
    SE_TRY_OK(outcome(rc, "cursor_get"));
    key_ = text(k);
    value_ = text(v);
    return true;
}

Result<bool> Cursor::first() {
    return move(MDB_FIRST);
}
Result<bool> Cursor::next() {
    return move(MDB_NEXT);
}
Result<bool> Cursor::previous_value() {
    return move(MDB_PREV_DUP);
}

Result<bool> Cursor::seek(std::string_view at_or_after) {
    return at_or_after.empty() ? first() : move(MDB_SET_RANGE, at_or_after);
}

Result<bool> Cursor::seek(std::string_view key, std::string_view at_or_after) {
    SE_TRY(among, move(MDB_GET_BOTH_RANGE, key, at_or_after));
    if (among) return move(MDB_GET_CURRENT);  // for its key, which is the caller's memory until now
    SE_TRY(found, seek(key));
    if (!found || key_ != key) return found;
    return move(MDB_NEXT_NODUP);
}

Result<bool> Cursor::last_value_of(std::string_view key) {
    SE_TRY(found, move(MDB_SET_KEY, key));
    if (!found) return false;
    SE_TRY(last, move(MDB_LAST_DUP));
    return last;
}

Result<bool> Cursor::last_value_below(std::string_view key, std::string_view bound) {
    SE_TRY(beyond, move(MDB_GET_BOTH_RANGE, key, bound));
    return beyond ? previous_value() : last_value_of(key);
}

// --- writing -----------------------------------------------------------------------------------

void WriteTxn::Abort::operator()(MDB_txn* txn) const {
    mdb_txn_abort(txn);
}

Result<std::optional<std::string_view>> WriteTxn::get(Database database,
                                                      std::string_view key) const {
    return get_from(txn_.get(), env_->main_handles_[index(database)], key);
}

Status WriteTxn::put_with(Database database, std::string_view key, std::string_view value,
                          unsigned flags) {
    MDB_val k = val(key), v = val(value);
    return env_->check(mdb_put(txn_.get(), env_->main_handles_[index(database)], &k, &v, flags),
                       "put");
}

Status WriteTxn::put(Database database, std::string_view key, std::string_view value) {
    return put_with(database, key, value, 0);
}

Result<MDB_cursor*> WriteTxn::cursor(Database database) {
    MDB_cursor*& cursor = cursors_[index(database)];
    if (cursor == nullptr)
        SE_TRY_OK(
            env_->check(mdb_cursor_open(txn_.get(), env_->main_handles_[index(database)], &cursor),
                        "cursor_open"));
    return cursor;
}

Result<std::optional<std::string_view>> WriteTxn::find(Database database, std::string_view key) {
    SE_TRY(at, cursor(database));
    MDB_val k = val(key), v{};
    const int rc = mdb_cursor_get(at, &k, &v, MDB_SET);
    found_ = rc == MDB_SUCCESS;
    if (found_) return std::optional(text(v));
    if (rc == MDB_NOTFOUND) return std::optional<std::string_view>{};
    return env_->check(rc, "cursor_get").error();
}

Status WriteTxn::put_here(Database database, std::string_view key, std::string_view value) {
    SE_TRY(at, cursor(database));
    MDB_val k = val(key), v = val(value);
    return env_->check(mdb_cursor_put(at, &k, &v, found_ ? MDB_CURRENT : 0), "cursor_put");
}

Result<bool> WriteTxn::put_new(Database database, std::string_view key, std::string_view value) {
    MDB_val k = val(key), v = val(value);
    const int rc =
        mdb_put(txn_.get(), env_->main_handles_[index(database)], &k, &v, MDB_NOOVERWRITE);
    if (rc == MDB_KEYEXIST) return false;
    SE_TRY_OK(env_->check(rc, "put"));
    return true;
}

Status WriteTxn::append(Database database, std::string_view key, std::string_view value) {
    return put_with(database, key, value, MDB_APPEND);
}

Status WriteTxn::append_several(Database database, std::string_view key, std::string_view values) {
    constexpr std::size_t kValueBytes = 8;
    SE_TRY(at, cursor(database));
    MDB_val k = val(key);
    MDB_val v[] = {val(values.substr(0, kValueBytes)), {values.size() / kValueBytes, nullptr}};
    return env_->check(mdb_cursor_put(at, &k, v, MDB_MULTIPLE | MDB_APPEND), "cursor_put");
}

Status WriteTxn::erase(Database database, std::string_view key) {
    MDB_val k = val(key);
    const int rc = mdb_del(txn_.get(), env_->main_handles_[index(database)], &k, nullptr);
    return rc == MDB_NOTFOUND ? Status(Ok{}) : env_->check(rc, "del");
}

}  // namespace se::lmdb
