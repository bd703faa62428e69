// Compares our evaluator with json-logic-js, case by case. Called by differential.sh, which says how.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { line } from "./generator.mjs";

const options = { bin: "", oracle: "", cases: 5000, seed: 1, canaries: true };
for (let i = 2; i < process.argv.length; ++i) {
  const name = process.argv[i].replace(/^--/, "");
  if (name === "no-canaries") options.canaries = false;
  else if (name === "bin" || name === "oracle") options[name] = process.argv[++i];
  else if ((name === "cases" || name === "seed") && /^\d+$/.test(process.argv[i + 1])) options[name] = Number(process.argv[++i]);
  else {
    console.error(`differential: what is ${process.argv[i]}?`);
    process.exit(64);
  }
}

const jsonLogic = createRequire(path.resolve(options.oracle, "package.json"))("json-logic-js");
console.log = () => {};  // the operation log prints; what we have to say goes through say()
const say = (text) => process.stdout.write(text + "\n");

const kChunk = 20000;
const kLimit = /^the rule (needs more than|finds rules in its data|makes arrays more than|has more than)/;

/** What JSON lacks, in the form of `statectl rules eval`. */
function encode(value) {
  if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) return { $js: String(value) };
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, encode(member)]));
}

function expected(text) {
  const { rule, data } = JSON.parse(text);
  try {
    return { result: encode(jsonLogic.apply(rule, data)) };
  } catch (error) {
    return error instanceof RangeError ? { too_deep: true } : { error: error.message };
  }
}

/** "", "limit" (ours refused what has no end, or nearly none) or "difference". */
function verdict(theirs, ours) {
  if (ours.error !== undefined && kLimit.test(ours.error)) return "limit";
  return isDeepStrictEqual(theirs, ours) ? "" : "difference";
}

const plain = [path.join(options.bin, "statectl"), "rules", "eval", "--batch"];
const planted = (name) => [path.join(options.bin, "rule_canaries"), "--plant", name];

function evaluate(command, lines) {
  const ran = spawnSync(command[0], command.slice(1), { input: lines.join("\n") + "\n", maxBuffer: 1 << 30 });
  if (ran.error || ran.status !== 0) {
    say(`FAILED: ${command.join(" ")} ended with ${ran.error ?? ran.status ?? ran.signal}: ${ran.stderr}`);
    process.exit(1);
  }
  const answers = ran.stdout.toString("utf8").split("\n").slice(0, -1);
  if (answers.length !== lines.length) {
    say(`FAILED: ${lines.length} lines, ${answers.length} answers`);
    process.exit(1);
  }
  return answers.map((answer) => {
    try {
      return JSON.parse(answer);
    } catch {
      return { unreadable: answer };
    }
  });
}

/** All values that are one step smaller: something left out, or something inside put in its place. */
function* smaller(value) {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; ++i) {
      yield value[i];
      yield value.filter((_, at) => at !== i);
      for (const less of smaller(value[i])) yield value.map((item, at) => (at === i ? less : item));
    }
  } else if (typeof value === "object" && value !== null) {
    for (const name of Object.keys(value)) {
      yield value[name];
      yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
      for (const less of smaller(value[name]))
        yield Object.fromEntries(Object.entries(value).map(([other, member]) => [other, other === name ? less : member]));
    }
  } else if (typeof value === "string" && value.length > 0) {
    yield "";
    yield value.slice(1);
    yield value.slice(0, -1);
  } else if (value !== null && value !== 0 && value !== "") {
    yield null;
    yield 0;
  }
}

function shrink(command, text) {
  for (;;) {
    const row = JSON.parse(text);
    const candidates = [];
    for (const rule of smaller(row.rule)) candidates.push({ ...row, rule });
    if (row.data !== undefined) {
      candidates.push({ rule: row.rule });
      for (const data of smaller(row.data)) candidates.push({ ...row, data });
    }
    const lines = [...new Set(candidates.map((candidate) => JSON.stringify(candidate)))]
      .filter((candidate) => candidate.isWellFormed?.() !== false && !/\\ud[89a-f]/.test(candidate) && candidate.length < text.length)
      .sort((a, b) => a.length - b.length);
    if (lines.length === 0) return text;
    const answers = evaluate(command, lines);
    const next = lines.find((candidate, i) => verdict(expected(candidate), answers[i]) === "difference");
    if (next === undefined) return text;
    text = next;
  }
}

function show(command, number, text) {
  const small = shrink(command, text);
  say(`  case ${number} of seed ${options.seed}: ${text}`);
  say(`  smallest:      ${small}`);
  say(`  json-logic-js: ${JSON.stringify(expected(small))}`);
  say(`  ours:          ${JSON.stringify(evaluate(command, [small])[0])}`);
}

const counts = { results: 0, errors: 0, limits: 0, differences: 0 };
const waiting = new Map();  // planted mistakes that nothing has noticed yet
if (options.canaries) {
  const names = spawnSync(path.join(options.bin, "rule_canaries"), ["--list"]).stdout.toString().trim().split("\n");
  for (const name of names) waiting.set(name, planted(name));
}
const caught = [];
let latest = 0;  // the case that the hardest of them needed

for (let begin = 0; begin < options.cases; begin += kChunk) {
  const lines = [];
  for (let i = begin; i < Math.min(begin + kChunk, options.cases); ++i) lines.push(line(options.seed, i));
  const theirs = lines.map(expected);
  evaluate(plain, lines).forEach((ours, i) => {
    const what = verdict(theirs[i], ours);
    if (what === "limit") ++counts.limits;
    else if (what === "difference") {
      if (++counts.differences <= 5) {
        say("DIFFERENCE");
        show(plain, begin + i, lines[i]);
      }
    } else if (theirs[i].error === undefined) ++counts.results;
    else ++counts.errors;
  });
  for (const [name, command] of waiting) {
    const answers = evaluate(command, lines);
    const at = answers.findIndex((ours, i) => verdict(theirs[i], ours) === "difference");
    if (at < 0) continue;
    waiting.delete(name);
    caught.push(name);
    latest = Math.max(latest, begin + at);
    say(`caught: ${name}`);
    show(command, begin + at, lines[at]);
  }
}

// Limits are for what has no end; generated rules have one, save for a few that find themselves in their data.
const too_many_limits = counts.limits > options.cases / 200 + 5;
for (const name of waiting.keys()) say(`NOT CAUGHT: ${name}`);
if (too_many_limits) say("FAILED: too many cases met a limit");
say(`${options.cases} cases of seed ${options.seed}: ${counts.results} equal results, ${counts.errors} equal errors, ` +
  `${counts.limits} at a limit, ${counts.differences} differences` +
  (options.canaries ? `; ${caught.length} of ${caught.length + waiting.size} planted mistakes caught, the last at case ${latest}` : ""));
process.exitCode = counts.differences > 0 || waiting.size > 0 || too_many_limits ? 1 : 0;
