// Reads the documents with Google's own client, as BitBrat's code reads them, and holds them against `statectl list -o jsonl`.
//
//   node read_documents.mjs PROJECT LIST PROPOSALS       needs FIRESTORE_EMULATOR_HOST
//
// LIST: the entries, a line each. PROPOSALS: how many documents mutation_log must have at least.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { FieldPath, Firestore } from '@google-cloud/firestore';

const [project, listFile, proposals] = process.argv.slice(2);
const firestore = new Firestore({ projectId: project, useBigInt: true });
const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) =>
    typeof v === 'bigint' ? Number(v) : v?.toDate ? v.toDate().toISOString() : v));
let failures = 0;
const fail = (text) => { if (++failures <= 20) console.log(`FAILED: ${text}`); };

const entries = new Map(readFileSync(listFile, 'utf8').split('\n').filter(Boolean)
    .map((line) => JSON.parse(line)).map((entry) => [entry.key, entry]));

const members = ['value', 'updatedAt', 'updatedBy', 'version', 'ttl', 'metadata', 'seq'];
function compare(key, snapshot) {
    const entry = entries.get(key);
    if (entry === undefined) return fail(`${key} has a document and no entry`);
    const document = plain(snapshot.data());
    for (const member of members) {
        if (!isDeepStrictEqual(document[member], entry[member]))
            return fail(`${key}: ${member} is ${JSON.stringify(document[member])}, not ${JSON.stringify(entry[member])}`);
    }
}

// One by one, as llm-bot does.
const some = [...entries.keys()].filter((_, i) => i % 97 === 0);
for (const key of some) {
    const snapshot = await firestore.collection('state').doc(key).get();
    if (snapshot.exists) compare(key, snapshot);
    else fail(`${key} has no document`);
}
// All of them, by name.
let seen = 0;
for (let after = ''; ;) {
    let query = firestore.collection('state').orderBy(FieldPath.documentId()).limit(1000);
    if (after) query = query.startAfter(after);
    const page = await query.get();
    for (const document of page.docs) compare(document.id, document);
    seen += page.size;
    if (page.size < 1000) break;
    after = page.docs.at(-1).id;
}
if (seen !== entries.size) fail(`${seen} documents for ${entries.size} entries`);
// By a prefix of the key, as get_state_prefix did.
const prefix = [...entries.keys()][Math.floor(entries.size / 2)].slice(0, 6);
const found = await firestore.collection('state')
    .where(FieldPath.documentId(), '>=', prefix).where(FieldPath.documentId(), '<', `${prefix}\uf8ff`).get();
const wanted = [...entries.keys()].filter((key) => key.startsWith(prefix)).length;
if (found.size !== wanted) fail(`the prefix ${prefix} finds ${found.size} documents, not ${wanted}`);

const log = (await firestore.collection('mutation_log').count().get()).data().count;
if (Number(log) < Number(proposals)) fail(`mutation_log has ${log} documents, not ${proposals}`);
const rejected = (await firestore.collection('mutation_log').where('status', '==', 'rejected').count().get()).data().count;
console.log(`${failures ? 'FAILED' : 'PASSED'} documents ${seen} log ${log} rejected ${rejected}`);
await firestore.terminate();
process.exit(failures ? 1 : 0);
