// What an agent does with the state, once, through whatever client it has: read, change, lose to another, try
// again, look back, follow. `client` is one of client_doors.mjs.

import { deepStrictEqual as same, match, ok, rejects, strictEqual as is } from 'node:assert/strict';

const theSix = ['get_state', 'get_state_prefix', 'propose_mutation', 'get_history', 'changes_since', 'explain'];

export async function walk(client, key) {
  const call = async (name, args) => {
    const result = await client.call(name, args);
    is(result.content[0].type, 'text');
    if (name !== 'explain' && name !== 'get_state' && name !== 'get_state_prefix' && !result.isError)
      same(JSON.parse(result.content[0].text), result.structuredContent); // one says what the other does
    return result;
  };
  const propose = async (args) => (await call('propose_mutation', { key, reason: 'a walk', ...args }));

  const tools = await client.tools();
  same(tools.slice(0, 6).map((tool) => tool.name), theSix);
  for (const tool of tools) {
    ok(tool.description.length > 40 && tool.title && tool.annotations, tool.name);
    ok(tool.inputSchema.$schema, tool.name);
    // Where a refusal is no error of the tool, a client would hold it against the schema.
    is(Boolean(tool.outputSchema?.$schema), client.refusalIsError, tool.name);
  }
  match(tools[2].description, /Allowed keys: walk\.\*/);

  // A key that is not there, and a bookmark of that moment.
  const before = (await call('get_state', { keys: [key] })).structuredContent;
  is(before.entries[key], null);
  const updates = await client.follow(`state://${key}`);

  // Changed; heard of.
  const first = await propose({ value: { n: 1 }, expectedVersion: 0, id: `${key}-1` });
  is(first.isError ?? false, false, first.content[0].text);
  is(first.structuredContent.status, 'accepted');
  is(first.structuredContent.version, 1);
  if (updates) {
    const { uri, _meta: meta } = await updates.next();
    is(uri, `state://${key}`);
    is(meta.mutationId, `${key}-1`);
    is(meta.version, 1);
    is(meta.seq, first.structuredContent.seq);
    is(meta.epoch, first.structuredContent.epoch);
  }

  // Too late: the answer has all that it takes to try again.
  const late = await propose({ value: { n: 9 }, expectedVersion: 0, id: `${key}-2` });
  is(late.isError ?? false, client.refusalIsError);
  is(late.structuredContent.status, 'rejected');
  is(late.structuredContent.code, 'version_conflict');
  same(late.structuredContent.current.value, { n: 1 });
  match(late.structuredContent.next, /new id/);
  match(late.content[0].text, /version_conflict/);
  const again = { value: { n: 2 }, expectedVersion: late.structuredContent.current.version, id: `${key}-3` };
  const second = (await propose(again)).structuredContent;
  is(second.status, 'accepted');
  is(second.version, 2);
  const repeated = (await propose(again)).structuredContent;
  is(repeated.duplicate, true);
  is(repeated.seq, second.seq);
  const idle = (await propose({ value: 0, dryRun: true })).structuredContent;
  is(idle.dryRun, true);
  is(idle.version, 3);

  // What was never set cannot be explained: a refusal that no client takes for a broken promise.
  const never = await client.call('explain', { key: 'walk.never' });
  is(never.isError ?? false, client.refusalIsError);
  is(never.structuredContent.status, 'rejected');
  is(never.structuredContent.code, 'not_found');
  same(JSON.parse(never.content[0].text), never.structuredContent);

  // Where it may not, and what is no call at all.
  const outside = await client.call('propose_mutation', { key: 'forbidden.key', value: 1, reason: 'r' });
  is(outside.isError, true);
  is(outside.content[0].text.split('Allowed keys')[0],
    "Mutation rejected: key 'forbidden.key' is not in an allowed namespace, so nothing was stored. ");
  if (client.refusalIsError) {
    const wrong = await client.call('get_state', { keys: 'walk' });
    is(wrong.isError, true);
    match(wrong.content[0].text, /'keys'.*Example: \{"keys":/);
  }

  // Looking back.
  const all = (await call('get_state_prefix', { prefix: key })).structuredContent;
  same(Object.keys(all.entries), [key]);
  same(all.entries[key].value, { n: 2 });
  const history = (await call('get_history', { key })).structuredContent;
  same(history.changes.map((change) => change.id), [`${key}-3`, `${key}-1`]);
  const since = (await call('changes_since', { since: before.bookmark, prefix: key })).structuredContent;
  same(since.changes.map((change) => change.id), [`${key}-1`, `${key}-3`]);
  is(since.more, false);
  is(since.resync, false);
  const why = (await call('explain', { key })).structuredContent;
  is(why.chain[0].reason, 'a walk');
  is(why.chain[0].seq, second.seq);

  // As resources.
  const resource = (await client.resource(`state://${key}`)).contents[0];
  is(resource.mimeType, 'application/json');
  same(JSON.parse(resource.text).value, { n: 2 });
  const log = (await client.resource(`state-log://${second.seq}`)).contents[0];
  is(JSON.parse(log.text.split('\n')[0]).id, `${key}-3`);
  await rejects(client.resource('state://walk.never'), /not found/i);
  ok((await client.resources()).some((one) => one.uri === `state://${key}`));
  same((await client.templates()).map((one) => one.uriTemplate), ['state://{key}', 'state-log://{fromSeq}']);

  // Prompts, and what could be typed.
  same((await client.prompts()).map((one) => one.name), ['change_state', 'catch_up']);
  const prompt = await client.prompt('change_state', { intent: 'the stream is over', key });
  match(prompt.messages[0].content.text, /the stream is over[^]*1\. Read[^]*expectedVersion/);
  const typed = await client.complete({ type: 'ref/resource', uri: 'state://{key}' }, 'key', key.slice(0, -1));
  ok(typed.completion.values.includes(key));

  if (updates) is((await updates.next())._meta.version, 2);
  await client.close();
}
