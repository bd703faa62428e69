// Microseconds that json-logic-js takes for one evaluation: node bench/json_logic.mjs FOLDER COUNT, where
// FOLDER holds node_modules/json-logic-js. bench/rule_rows.cc has the same rule and data.

import { createRequire } from "node:module";
import path from "node:path";

const [folder, count] = [process.argv[2], Number(process.argv[3])];
const jsonLogic = createRequire(path.resolve(folder, "package.json"))("json-logic-js");
const rule = { and: [{ "==": [{ var: "key" }, "stream.state"] }, { "==": [{ var: "value" }, "on"] }] };
const data = { key: "stream.state", value: "on" };
let matched = 0;
const begin = process.hrtime.bigint();
for (let i = 0; i < count; ++i) if (jsonLogic.apply(rule, data)) ++matched;
const took = Number(process.hrtime.bigint() - begin) / 1000;
if (matched !== count) process.exit(1);
process.stdout.write(`${took / count}\n`);
