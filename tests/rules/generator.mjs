// Rules and data by chance: everything comes from a seed, so a case can be told by its number.

/** A small generator of chance (splitmix32). */
export function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const below = (n) => next() % n;
  return { below, pick: (list) => list[below(list.length)], once_in: (n) => below(n) === 0 };
}

// No name here is one that JavaScript finds in a prototype, where ours finds nothing by design.
const kPaths = ["a", "b", "c", "a.b", "a.b.c", "b.0", "b.1", "b.2", "b.0.a", "c.length", "b.length", "c.0",
  "c.1", "", "a.", ".a", ".", "current", "accumulator", "current.a", "accumulator.0", "accumulator.length",
  "x", "a.x.y", "0", "1", "00", "-0", "1.5", "length", "rule", "rules", "rules.0", "true", "null",
  "undefined", "NaN", "\u{1f600}", "c.01"];
const kMembers = ["a", "b", "c", "", "0", "x", "rule", "length", "toString", "valueOf", "indexOf", "current",
  "true", "NaN", "1"];
const kTexts = ["", "0", "1", "-1", "2", "10", "9", "1.5", ".5", "5.", ".", "-", "+", "+1", "1e3", "1e", "1e+",
  "1E-2", "0x10", "0X1f", "-0x10", "0x", "0b101", "0b2", "0o17", "017", "Infinity", "-Infinity", "+Infinity",
  "infinity", "NaN", " 1 ", "\t1\n", "\u00a01\ufeff", "\u20281", "1\u200b", "\u180e1", "\v1\f", "3 apples", "1,2",
  "1,", "a", "b", "ab", "abc", "A", "true", "false", "null", "undefined", "[object Object]", "\u00e9",
  "e\u0301", "\u{1f600}", "a\u{1f600}b\u{1f601}", "\uff5e", "\ud7ff", "\ue000", "z\u{10ffff}", "1e400",
  "-1e400", "1e-400", "5e-324", "2e-324", "9007199254740993", "0x20000000000001", "0x20000000000003",
  "0x1fffffffffffff8000000000000000000000001", "179769313486231580793728971405301e276", "0.1", "0.30000000000000004",
  "123456789012345680000", "1_000", "12:30", "--1", "1-2", "-2", "-3", "-1.9", "1e21", "0.000001", "1e-7", "-0"];
const kNumbers = [0, 1, -1, 2, 3, -2, -3, 5, 10, 100, 0.1, 0.2, 0.5, -0.5, 1.5, 2.5, -1.9, 1e21, 1e-7, 1e300, -1e300,
  1e-300, 5e-324, 2147483647, 4294967296, 9007199254740991, 9007199254740992, -9007199254740992,
  1152921504606846976, 123456789.125, 1e22, 0.000001];

/** Any JSON value, at most so deep. */
export function value(c, depth) {
  const kind = c.below(depth > 0 ? 14 : 9);
  if (kind < 3) return c.pick(kTexts);
  if (kind < 6) return c.pick(kNumbers);
  if (kind === 6) return c.pick([true, false]);
  if (kind === 7) return null;
  if (kind === 8) return c.pick([[], {}, [0], [""], [null], ["1"], [[]], [1, 2], ["a", "b"]]);
  if (kind < 12) return Array.from({ length: c.below(4) }, () => value(c, depth - 1));
  if (kind === 12 && c.once_in(3)) return rule(c, Math.min(depth, 2));
  const object = {};
  for (let i = c.below(4); i > 0; --i) object[c.pick(kMembers)] = value(c, depth - 1);
  return object;
}

/** Data in which many paths lead somewhere. */
export function data(c) {
  if (c.once_in(12)) return value(c, 3);
  const object = {};
  if (!c.once_in(5)) object.a = c.once_in(3) ? value(c, 2) : { b: c.once_in(2) ? value(c, 2) : { c: value(c, 1) } };
  if (!c.once_in(5)) object.b = Array.from({ length: c.below(5) }, () => value(c, 2));
  if (!c.once_in(5)) object.c = c.pick(kTexts);
  if (c.once_in(4)) object.rule = rule(c, 2);
  if (c.once_in(4)) object.rules = [rule(c, 1), c.pick(kPaths), rule(c, 1)];
  if (c.once_in(6)) object[c.pick(kMembers)] = value(c, 2);
  // What is there and says nothing: var and missing take null and "" for different things.
  if (c.once_in(4)) object[c.pick(["a", "b", "c", "x"])] = c.pick([null, "", null, "", [null, ""], { b: null }, { b: "" }]);
  return object;
}

const kCalls = ["==", "==", "===", "!=", "!==", ">", ">=", "<", "<", "<=", "!!", "!", "%", "log", "in", "in", "cat",
  "cat", "substr", "substr", "+", "+", "*", "-", "/", "min", "max", "merge", "var", "var", "missing",
  "missing_some", "if", "?:", "and", "or"];
const kLoops = ["filter", "map", "reduce", "all", "none", "some"];
const kUnknown = ["not", "val", "exists", "??", "try", "throw", "a", "", ".", ".var", "var.", "var.x", "and.x", "a.b",
  "var.length", "<.name", "substr.name.0", "substr.name.9", "cat.name.length", "var.prototype",
  "var.prototype.constructor", "+.prototype.constructor", "var.length.x", "hasOwnProperty", "method", "=", "IF"];

// Texts whose order, length and pieces differ between bytes, characters and JavaScript's units.
const kWideTexts = ["\u{1f600}", "\uff5e", "\ue000", "\ud7ff", "z\u{10ffff}", "z\uffee", "a\u{1f600}b\u{1f601}", "\u00e9",
  "e\u0301", "\u{1f600}\u{1f601}", "\u00fcber", "\u20ac 5"];

/** Corners that chance alone hardly finds: where an evaluator goes wrong and most data does not show it. */
function corner(c, depth) {
  const some = () => (c.once_in(3) ? rule(c, depth - 1) : c.pick(kNumbers));
  switch (c.below(5)) {
    case 0:
      return { [c.pick(["<", "<=", ">", ">="])]: [c.pick(kWideTexts), c.pick(kWideTexts)] };
    case 1:
      return { substr: [c.pick(kWideTexts), c.pick([0, 1, 2, -1, -2]), ...(c.once_in(2) ? [c.pick([1, 2, -1, null])] : [])] };
    case 2:
      return { var: [c.pick(["a", "b", "c", "x", "b.0", "a.b"]), c.pick(["default", 7, [], false])] };
    case 3:
      return { missing: [c.pick(["a", "b", "c", "x"]), c.pick(["b.1", "a.b", "x", "c"])] };
    default:
      return { [c.pick(["<", "<="])]: [some(), some(), some()] };
  }
}

/** A rule, at most so deep; a constant when there is nothing left. */
export function rule(c, depth) {
  if (depth > 0 && c.once_in(12)) return corner(c, depth);
  if (depth <= 0 || c.once_in(7)) return c.once_in(3) ? { var: c.pick(kPaths) } : value(c, 1);
  if (c.once_in(12)) return Array.from({ length: c.below(4) }, () => rule(c, depth - 1));
  if (c.once_in(40)) return { [c.pick(kUnknown)]: list(c, depth) };
  if (c.once_in(30)) return { a: rule(c, depth - 1), b: 1 };  // two members: plain data
  if (c.once_in(5)) return loop(c, depth);
  const name = c.pick(kCalls);
  if (name === "var" && !c.once_in(4)) {
    if (c.once_in(2)) return { var: c.pick(kPaths) };
    return { var: [c.once_in(3) ? rule(c, depth - 1) : c.pick(kPaths), rule(c, depth - 1)] };
  }
  if (name === "missing" && !c.once_in(3)) return { missing: paths(c) };
  if (name === "missing_some" && !c.once_in(3)) return { missing_some: [c.pick([0, 1, 2, "1", null, [1]]), paths(c)] };
  if (name === "substr" && !c.once_in(4))
    return { substr: [rule(c, depth - 1), ...Array.from({ length: c.below(3) }, () => c.pick([0, 1, 2, 3, -1, -2, -3, 1.9, -0.5,
      "1", "-1", null, 1e21, -1e21, true, [1], [-1]]))] };
  if (c.once_in(6)) return { [name]: rule(c, depth - 1) };
  return { [name]: list(c, depth) };
}

function list(c, depth) {
  const length = c.pick([0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5]);
  return Array.from({ length }, () => rule(c, depth - 1));
}

function paths(c) {
  return Array.from({ length: c.below(4) }, () => (c.once_in(5) ? value(c, 1) : c.pick(kPaths)));
}

function loop(c, depth) {
  const items = c.once_in(2) ? { var: c.pick(["b", "a", "c", "rules", "accumulator", "current"]) }
    : c.once_in(4) ? rule(c, depth - 1) : Array.from({ length: c.below(5) }, () => value(c, 1));
  const body = c.once_in(6) ? value(c, 1) : rule(c, depth - 1);
  const name = c.pick(kLoops);
  if (name === "reduce") {
    const fold = c.once_in(2) ? body
      : { [c.pick(["+", "*", "-", "cat", "merge", "max", "and", "or", "<", "=="])]: [{ var: "accumulator" }, { var: "current" }] };
    return { reduce: c.once_in(4) ? [items, fold] : [items, fold, rule(c, depth - 1)] };
  }
  return { [name]: c.once_in(20) ? [items] : [items, body] };
}

/** A rule and data made for each other, where a rule alone mostly asks for what is not there. */
function pair(c) {
  const name = c.pick(["a", "b", "c"]);
  const inner = [
    () => ({ var: [name, c.pick(["default", 7, true, []])] }),
    () => ({ missing: [name, c.pick(kPaths)] }),
    () => ({ missing_some: [c.pick([1, 2]), [name, c.pick(kPaths)]] }),
    () => ({ reduce: [{ var: name }, { [c.pick(["+", "*", "cat", "max", "merge"])]: [{ var: "accumulator" }, { var: "current" }] }] }),
    () => ({ [c.pick(["<", "<=", ">", ">="])]: [c.pick(kWideTexts), c.pick(kWideTexts)] }),
  ][c.below(5)]();
  const around = [(x) => x, (x) => [x], (x) => ({ "!!": [x] }), (x) => ({ cat: [x, "."] }), (x) => ({ if: [x, 1, 2] })];
  const found = c.once_in(4) ? value(c, 2) : c.pick([null, null, "", "", 0, [], [1, 2], [3], ["1", "2"]]);
  return { rule: c.pick(around)(inner), data: { [name]: found, x: value(c, 1) } };
}

/** Case `number` of a seed, as the line that both sides read. */
export function line(seed, number) {
  const c = chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  for (let i = 0; i < 4; ++i) c.below(2);
  if (c.once_in(7)) return JSON.stringify(pair(c));
  const row = { rule: rule(c, 1 + c.below(4)) };
  if (!c.once_in(50)) row.data = data(c);
  return JSON.stringify(row);
}
