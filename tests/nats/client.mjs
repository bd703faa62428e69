// The bus as BitBrat's services use it. Run by client.sh:  node client.mjs BIN NATS_SERVER MUTATIONS CONFIGS
// One line a case: `PASSED nats client NAME`, or FAILED with why.

import { deepStrictEqual as same, ok, strictEqual as is } from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { consumerOpts, createInbox, headers, StringCodec } from 'nats';

import { until, World } from './client_world.mjs';

const [bin, server, mutationsFile, configsFile] = process.argv.slice(2);
const mutations = JSON.parse(readFileSync(mutationsFile, 'utf8'));
const configs = JSON.parse(readFileSync(configsFile, 'utf8'));
const subject = 'local.internal.state.mutation.v1';
const original = configs.durable;
const codec = StringCodec();
const open = 'allowedKeys: ["*"]\n';

let failed = 0;
async function test(name, run) {
  const world = new World(bin, server);
  try {
    await world.startServer();
    await run(world);
    console.log(`PASSED nats client ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED nats client ${name}`);
    console.log(`    ${String(error.stack ?? error).replaceAll('\n', '\n    ')}`);
  } finally {
    await world.end();
  }
}

/** As BitBrat's publisher: JSON, headers in lower case, no message id. */
async function publish(world, payload, extra = {}) {
  const head = headers();
  for (const [name, value] of Object.entries(extra)) head.set(name, value);
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return world.jetstream.publish(subject, codec.encode(text), { headers: head });
}

async function makeStream(world) {
  await world.manager.streams.add({ name: 'BITBRAT', subjects: ['local.>'] });
}

/** As the original binds its durable. */
async function bindOriginal(world) {
  const options = consumerOpts();
  options.durable(original);
  options.deliverTo(createInbox());
  options.queue('state-engine');
  options.manualAck();
  options.ackExplicit();
  options.ackWait(60_000);
  options.deliverAll();
  options.filterSubject(subject);
  return world.jetstream.subscribe(subject, options);
}

const decisions = (records) => records.filter((one) => one.kind === 'accepted' || one.kind === 'rejected');

await test('every message that BitBrat sends', async (world) => {
  // A rule beside the default one: what goes out is what the real consumer takes.
  const policy = `${open}rules:
  - id: online
    when: { "==": [ { var: key }, stream.state ] }
    actions: [ { type: publishEgress, payload: { type: system.stream.changed, text: now }, envelope: true, connector: system } ]
`;
  const daemon = await world.startDaemon('data', policy);
  const durable = await world.ownDurable();
  const stream = await world.manager.streams.info('BITBRAT');
  // The stream that we make is the one that the original makes.
  for (const [name, value] of Object.entries(configs.streamInfo.config)) same(stream.config[name], value, name);

  const { disposition_service_nats_headers: dispositionHeaders, _note, ...messages } = mutations;
  let last = 0;
  for (const [name, message] of Object.entries(messages))
    ({ seq: last } = await publish(world, message, name === 'disposition_service' ? dispositionHeaders : {}));
  await world.settled(durable);

  const state = await daemon.entry('stream.state');
  is(state.value, 'on'); // on, off, on: in the order of the stream
  is(state.version, 3);
  is(state.ttl, 21600);
  is(state.updatedBy, 'ingress-egress:twitch');
  is(state.metadata.source, 'Twitch EventSub: stream.online');
  is(state.metadata.broadcasterName, 'bitbrat');
  const disposition = await daemon.entry('user.disposition.twitch:123');
  same(disposition.value, mutations.disposition_service.value);
  is(disposition.metadata.userKey, 'twitch:123');
  is((await daemon.entry('user.fact.user-123.favorite_band')).value, 'Yes');
  is((await daemon.entry('user.user123.lastSeen')).value, '2026-08-11T10:30:00Z');
  is((await daemon.entry('user.user123.messageCount')).value, 1);

  const records = decisions(await daemon.records());
  is(records.length, 7); // the batch form is two
  ok(records.every((one) => one.kind === 'accepted' && one.door === 'nats'));
  is(records.find((one) => one.id === 'evt_abc123:disposition').cause.correlationId, 'evt_abc123');
  ok((await world.consumer(durable)).ack_floor.stream_seq >= last);

  // One result each, the changes under their keys, and one event for each time that the rule says so.
  const results = await world.publishedOnce('internal.state.result.v1', 7);
  is(results.length, 7);
  same(results.map((one) => one.json.seq), records.map((one) => one.seq));
  ok(results.every((one) => one.json.status === 'accepted' && one.headers.type === 'internal.state.result.v1'));
  is(results.find((one) => one.json.id === 'evt_abc123:disposition').headers.correlationid, 'evt_abc123');
  is((await world.publishedOnce('internal.state.changed.v1.stream.state', 3)).length, 3);
  const events = await world.publishedOnce('internal.egress.v1', 3);
  is(events.length, 3);
  for (const { json, headers: head } of events) {
    // What the real consumers check before they take one.
    is(json.v, '2');
    ok(json.correlationId && json.egress.connector && json.routing && json.identity.external.id);
    is(head.type, 'system.stream.changed');
  }
  is((await world.publishedOnce('internal.mcp.registration.v1', 1).catch(() => null) ??
    await world.published('internal.mcp.registration.v1'))[0].json.payload.name, 'state-engine');
  await daemon.stop();
});

await test('the cases of the contract', async (world) => {
  const policy = 'allowedKeys: [stream.state, obs.scene, counter]\n';
  const daemon = await world.startDaemon('data', policy);
  const durable = await world.ownDurable();
  const set = (id, key, value, more = {}) => publish(world, { id, op: 'set', key, value, actor: 'a', reason: 'r', ts: 't', ...more });
  const outcome = async (id) => {
    await world.settled(durable);
    const found = decisions(await daemon.records()).filter((one) => one.id === id);
    return found.map((one) => one.code ? `${one.code}: ${one.body.message}` : `accepted ${one.changes[0].version}`);
  };
  await set('1', 'stream.state', 'on', { expectedVersion: null });
  same(await outcome('1'), ['accepted 1']);
  await set('2', 'forbidden.key', 1);
  same(await outcome('2'), ['key_not_allowed: Key not allowed']);
  for (let i = 0; i < 10; ++i) await set(`c${i}`, 'counter', i);
  await set('3', 'counter', 99, { expectedVersion: 5 });
  same(await outcome('3'), ['version_conflict: Version mismatch: expected 5, found 10']);
  await set('4', 'obs.scene', 'x', { expectedVersion: 0 });
  same(await outcome('4'), ['accepted 1']);
  await set('5', 'obs.scene', 'y');
  await set('6', 'obs.scene', 'z');
  await set('7', 'obs.scene', 'w', { expectedVersion: 0 });
  same(await outcome('7'), ['version_conflict: Version mismatch: expected 0, found 3']);
  await set('1', 'stream.state', 'on', { expectedVersion: null }); // the same id and content
  same(await outcome('1'), ['accepted 1']);
  await set('1', 'stream.state', 'off'); // the same id and another content, as a real producer does
  same(await outcome('1'), ['accepted 1', 'accepted 2']);
  await set('8', 'stream.state', 'on');
  same(await outcome('8'), ['accepted 3']);

  // No JSON, no key: nothing is lost, and both are acknowledged.
  const broken = (await publish(world, 'not json')).seq;
  const keyless = (await publish(world, { op: 'set', value: 1, reason: 'r' })).seq;
  await world.settled(durable);
  for (const seq of [broken, keyless]) {
    const record = decisions(await daemon.records()).find((one) => one.cause?.sequence === seq);
    is(record.kind, 'rejected');
    is(record.code, 'malformed');
  }
  const dead = await world.publishedOnce('internal.deadletter.v1', 2);
  is(dead.length, 2);
  ok(dead.every((one) => one.json.correlationId && one.json.source === 'state-engine'));
  is(dead[0].json.original, 'not json');
  is(dead[1].json.original.op, 'set');
  is(dead[1].json.sourceTopic, 'internal.state.mutation.v1');
  // The answer to a conflict carries the entry that stood.
  const conflict = (await world.published('internal.state.result.v1')).find((one) => one.json.id === '3').json;
  is(conflict.current.version, 10);
  is(conflict.current.value, 9);
  await daemon.stop();

  // Redelivered to a process that was started anew: applied once.
  const again = await world.startDaemon('data', policy);
  await set('8', 'stream.state', 'on');
  await set('9', 'obs.scene', 'q');
  await until('the last one', async () => (await again.entry('obs.scene')).value === 'q');
  is((await again.entry('stream.state')).version, 3);
  await again.stop('SIGKILL');
});

await test('the original\'s durable is taken over, with 1,000 messages that it never acknowledged', async (world) => {
  await makeStream(world);
  const subscription = await bindOriginal(world);
  let seen = 0;
  (async () => { for await (const message of subscription) if (++seen <= 100) message.ack(); })();
  for (let i = 0; i < 1100; ++i)
    await publish(world, { id: `m${i}`, op: 'increment', key: `n${i % 10}`, value: 1, actor: 'a', reason: 'r' });
  await until('the first of them', () => seen >= 1000);
  await until('their acknowledgements', async () => (await world.consumer(original)).ack_floor.stream_seq === 100);

  // While the original is bound, nothing is taken from it.
  const settings = { 'nats.takeover': 'true' };
  const daemon = await world.startDaemon('data', open, settings);
  await until('the refusal', () => daemon.log.includes('is bound by another'));
  is(decisions(await daemon.records()).length, 0);
  subscription.unsubscribe();
  // What the original had in hand comes again when its ack wait is over: for this test, at once.
  await world.manager.consumers.update('BITBRAT', original, { ack_wait: 2_000_000_000 });
  await world.settled(original);
  ok((await world.consumer(original)).ack_floor.stream_seq >= 1100);
  const records = decisions(await daemon.records());
  is(records.length, 1000);
  is(new Set(records.map((one) => one.id)).size, 1000);
  for (let i = 0; i < 10; ++i) is((await daemon.entry(`n${i}`)).value, 100);
  is(await daemon.stop(), 0);
});

await test('a shadow decides and says nothing', async (world) => {
  const daemon = await world.startDaemon('data', open, { 'nats.mode': 'shadow' });
  const durable = await world.ownDurable();
  await publish(world, mutations.twitch_stream_online_hardcoded);
  await publish(world, { v: '2', egress: { destination: 'internal.egress.v1' }, routing: { slip: [] } });
  await world.settled(durable);
  is((await daemon.entry('stream.state')).value, 'on');
  is((await world.manager.streams.info('BITBRAT')).state.messages, 2); // what was sent, and nothing else
  await daemon.stop();
});

await test('keys with odd dots and wildcards are told under legal subjects', async (world) => {
  const daemon = await world.startDaemon('data', open);
  await world.ownDurable();
  for (const key of ['.a', 'a..b', 'a.', 'a.*', 'a.>', '100%'])
    await publish(world, { op: 'set', key, value: key, reason: 'r' });
  for (const [key, subject] of [['.a', '%.a'], ['a..b', 'a.%.b'], ['a.', 'a.%'], ['a.*', 'a.%2A'], ['a.>', 'a.%3E'], ['100%', '100%25']])
    is((await world.publishedOnce(`internal.state.changed.v1.${subject}`, 1))[0].json.key, key);
  await daemon.stop();
});

await test('prefixes and streams that are odd work or say why not', async (world) => {
  // Another stream takes our subject under another name.
  await world.manager.streams.add({ name: 'BITBRAT', subjects: ['other.>'] });
  const stranger = await world.startDaemon('stranger', open);
  await until('why not', () => stranger.log.includes('the stream BITBRAT is there with the subjects other.>'));
  is((await stranger.get('/readyz')).status, 'ok');
  await stranger.stop();
  await world.manager.streams.add({ name: 'MINE', subjects: ['local.>'] });
  const found = await world.startDaemon('found', open);
  await publish(world, { op: 'set', key: 'a', value: 1, reason: 'r' });
  await until('the mutation', async () => (await found.entry('a')).value === 1);
  await found.stop();

  // Without a prefix there is a stream of our own topics.
  const empty = await world.startDaemon('empty', open, { 'nats.prefix': '', 'nats.stream': 'OURS' });
  await until('our stream', () => empty.log.includes('stream_made'));
  await world.jetstream.publish('internal.state.mutation.v1',
    codec.encode(JSON.stringify({ op: 'set', key: 'b..c.', value: 1, reason: 'r' })));
  await until('the mutation', async () => (await empty.entry('b..c.')).value === 1);
  await empty.stop();

  for (const [prefix, why] of [['local.local.', 'says the same twice'], ['local', 'must end with its dot']]) {
    const text = await world.startDaemon('twice', open, { 'nats.prefix': prefix }).then(() => 'it started', String);
    ok(text.includes(why), text);
  }
});

process.exit(failed === 0 ? 0 : 1);
