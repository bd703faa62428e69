// Looks at the project with Google's own client, again and again: the watermark and the state documents of some keys, all in one
// snapshot. A line of JSON a look that shows something new, until the standard input ends.
//
//   node watch_documents.mjs PROJECT KEY...       needs FIRESTORE_EMULATOR_HOST
import { Firestore } from '@google-cloud/firestore';

const [project, ...keys] = process.argv.slice(2);
const firestore = new Firestore({ projectId: project });
const wanted = [firestore.doc('state_engine/watermark'), ...keys.map((key) => firestore.doc(`state/${key}`))];
let ended = false;
process.stdin.on('end', () => { ended = true; }).resume();

let last = '';
while (!ended) {
    // Only what is read as of a named time is one snapshot: the emulator answers all else document by document.
    const { readTime } = await wanted[0].get();
    const [mark, ...states] =
        await firestore.runTransaction((all) => all.getAll(...wanted), { readOnly: true, readTime });
    const documents = {};
    for (const state of states) {
        if (!state.exists) continue;
        const { value, version, seq } = state.data();
        documents[state.id] = { value, version, seq };
    }
    const line = JSON.stringify({ run: mark.get('run'), seq: mark.get('seq'), documents });
    if (mark.exists && line !== last) console.log(line);
    last = line;
    await new Promise((resolve) => setTimeout(resolve, 3));
}
await firestore.terminate();
process.exit(0);
