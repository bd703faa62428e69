// Decides proposals as BitBrat's engine does, and writes what it writes with Google's own client: op is ignored, ids are not looked at.
//
//   node write_documents.mjs PROJECT PROPOSALS       needs FIRESTORE_EMULATOR_HOST; PROPOSALS: a line each
import { readFileSync } from 'node:fs';
import { Firestore } from '@google-cloud/firestore';

const [project, file] = process.argv.slice(2);
const firestore = new Firestore({ projectId: project, ignoreUndefinedProperties: true });
let moment = Date.parse('2025-12-24T18:00:00.000Z');

for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const proposal = JSON.parse(line);
    const state = firestore.collection('state').doc(proposal.key);
    const log = firestore.collection('mutation_log').doc(proposal.id);
    const committedAt = new Date(moment += 1000).toISOString();
    await firestore.runTransaction(async (transaction) => {
        const current = (await transaction.get(state)).data();
        const found = current?.version ?? 0;
        const expected = proposal.expectedVersion;
        const error = proposal.key.startsWith('forbidden') ? 'Key not allowed'
            : expected !== undefined && expected !== found ? `Version mismatch: expected ${expected}, found ${found}`
            : proposal.key.startsWith('outage') ? '14 UNAVAILABLE: no connection' : undefined;
        if (error) return transaction.set(log, { ...proposal, committedAt, status: 'rejected', error });
        transaction.set(state, {
            value: proposal.value, updatedAt: committedAt, updatedBy: proposal.actor, version: found + 1,
            ttl: proposal.ttl || null, metadata: { source: proposal.reason, ...proposal.metadata },
        });
        return transaction.set(log, { ...proposal, committedAt, status: 'accepted', resultingVersion: found + 1 });
    });
}
await firestore.terminate();
