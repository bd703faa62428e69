// The platform's first use of the engine, whole: a mutation comes over the bus, or from an agent by MCP, and is a state
// document, a log document, a result on the bus and an event by a rule. Run by client.sh:
//   node first_use.mjs BIN NATS_SERVER MUTATIONS CONFIGS EMULATOR
// The documents are read by the REST door of Google's emulator. One line a case: `PASSED first use NAME`, or FAILED with why.

import { deepStrictEqual as same, match, ok, strictEqual as is } from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { headers, StringCodec } from 'nats';

import { until, World } from './client_world.mjs';

const [bin, server, mutationsFile, , emulator] = process.argv.slice(2);
const mutations = JSON.parse(readFileSync(mutationsFile, 'utf8'));
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const policy = `allowedKeys: [stream.state, "user.disposition.*", "user.fact.*"]
rules:
  - id: on_stream_start
    when: { and: [ { "==": [ { var: key }, stream.state ] }, { "==": [ { var: value }, on ] } ] }
    actions:
      - type: publishEgress
        payload: { type: system.stream.online, message: Stream detected online }
  - id: fact_learned
    when: { in: [ "user.fact.", { var: key } ] }
    actions:
      - { type: publishEgress, payload: { type: system.fact.learned, text: learned }, envelope: true, connector: system }
`;

/** A document as an object, or null where there is none. */
async function documentAt(collection, id) {
  const answer = await fetch(`http://${emulator}/v1/projects/state-engine/databases/(default)/documents/${collection}/` +
    encodeURIComponent(id), { headers: { authorization: 'Bearer owner' } });
  if (answer.status === 404) return null;
  is(answer.status, 200);
  return plain((await answer.json()).fields);
}
const plain = (fields) => Object.fromEntries(Object.entries(fields ?? {}).map(([name, value]) => [name, valueOf(value)]));
function valueOf(value) {
  const [kind, is] = Object.entries(value)[0];
  if (kind === 'integerValue') return Number(is);
  if (kind === 'nullValue') return null;
  if (kind === 'mapValue') return plain(is.fields);
  if (kind === 'arrayValue') return (is.values ?? []).map(valueOf);
  return is;
}

/** As BitBrat's publisher: JSON, headers in lower case, no message id. */
function publish(world, message, extra = {}) {
  const head = headers();
  for (const [name, value] of Object.entries(extra)) head.set(name, value);
  return world.jetstream.publish('local.internal.state.mutation.v1', StringCodec().encode(JSON.stringify(message)),
    { headers: head });
}

/** What MCP's Streamable HTTP asks of an agent: a session, then the call. */
class Agent {
  constructor(url) { this.url = `${url}/mcp`; this.id = 0; this.session = {}; }
  async send(message) {
    const answer = await fetch(this.url, {
      method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', ...message }),
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...this.session },
    });
    ok(answer.ok, `${answer.status}`);
    const session = answer.headers.get('mcp-session-id');
    if (session) this.session = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
    const text = await answer.text();
    const data = /^data: (\{.*)$/m.exec(text);
    return text === '' ? null : JSON.parse(data ? data[1] : text);
  }
  async call(method, params) {
    const answer = await this.send({ id: ++this.id, method, params });
    is(answer.error, undefined);
    return answer.result;
  }
  async begin() {
    await this.call('initialize',
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'agent', version: '1' } });
    await this.send({ method: 'notifications/initialized' });
  }
}

/** All that a mutation that was accepted must have left. The result that was told of it. */
async function mustBeEverywhere(world, { id, key, value, version, more, logged }) {
  const state = await until(`the state document of ${key}`, async () => {
    const found = await documentAt('state', key);
    return found?.version === version ? found : null;
  });
  const entry = await world.daemon.entry(key);
  const { seq, expiresAt, ...snapshot } = state;
  is(seq, entry.seq);
  is(expiresAt !== undefined, state.ttl !== null);
  match(state.updatedAt, iso);
  same(snapshot, { value, version, updatedAt: entry.updatedAt, ...more });

  const log = await documentAt('mutation_log', id); // it is there before the state is
  ok(log, `mutation_log/${id}`);
  const { committedAt, ts, seq: logSeq, epoch, principal, cause, ...rest } = log;
  is(logSeq, seq);
  is(committedAt, state.updatedAt);
  match(ts, iso);
  same(rest, { id, op: 'set', key, value, status: 'accepted', resultingVersion: version, ...logged });

  const results = await until(`the result of ${id}`, async () => {
    const all = (await world.published('internal.state.result.v1')).filter((one) => one.json.id === id);
    return all.length > 0 ? all : null;
  });
  is(results[0].json.status, 'accepted');
  is(results[0].json.version, version);
  is(results[0].json.seq, seq);
  return results[0].json;
}

const events = async (world, type, count) => until(`${count} of ${type}`, async () => {
  const all = new Map((await world.published('internal.egress.v1').catch(() => []))
    .filter((one) => one.headers.type === type).map((one) => [one.headers['Nats-Msg-Id'], one.json]));
  return all.size >= count ? [...all.values()] : null;
});

let failed = 0;
async function test(name, run) {
  try {
    await run();
    console.log(`PASSED first use ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED first use ${name}\n    ${String(error.stack ?? error).replaceAll('\n', '\n    ')}`);
  }
}

const world = new World(bin, server);
try {
  await world.startServer();
  world.environment = { FIRESTORE_EMULATOR_HOST: emulator };
  world.daemon = await world.startDaemon('data', policy, { 'firestore.bootstrap': 'true' });
  const durable = await world.ownDurable();

  await test('what Twitch says over the bus', async () => {
    const online = mutations.twitch_stream_online_hardcoded;
    await publish(world, online, { type: 'internal.state.mutation.v1' });
    const { id, key, value, actor, reason, ttl, metadata } = online;
    const result = await mustBeEverywhere(world, {
      id, key, value, version: 1,
      more: { updatedBy: actor, ttl, metadata: { source: reason, ...metadata } },
      logged: { actor, reason, ttl, metadata },
    });
    is(result.actor, actor);
    is((await documentAt('mutation_log', id)).ts, online.ts);
    const [event] = await events(world, 'system.stream.online', 1);
    same(event, { type: 'system.stream.online', message: 'Stream detected online' }); // verbatim

    // The same once more, off, and on again under an id that was not there: applied once, fired twice.
    await publish(world, online);
    await publish(world, mutations.twitch_stream_offline_hardcoded);
    await publish(world, mutations.twitch_yaml_subscription_manager);
    await world.settled(durable);
    await until('the third version', async () => (await documentAt('state', key)).version === 3);
    await events(world, 'system.stream.online', 2);
  });

  await test('what the disposition service says, with its reused id', async () => {
    const { id, key, value, actor, reason, ttl, metadata } = mutations.disposition_service;
    await publish(world, mutations.disposition_service, mutations.disposition_service_nats_headers);
    const expected = {
      id, key, value, version: 1,
      more: { updatedBy: actor, ttl, metadata: { source: reason, ...metadata } },
      logged: { actor, reason, ttl, metadata },
    };
    is((await mustBeEverywhere(world, expected)).correlationId, 'evt_abc123');
    const later = { ...value, band: 'neutral' };
    await publish(world, { ...mutations.disposition_service, value: later });
    await until('the second', async () => (await documentAt('mutation_log', id)).resultingVersion === 2);
    await until('its state', async () => (await documentAt('state', key)).value.band === 'neutral');
  });

  await test('what an agent proposes over MCP', async () => {
    const agent = new Agent(world.daemon.url);
    await agent.begin();
    const { id, key, value, reason } = mutations.mcp_propose_mutation;
    const call = (args) => agent.call('tools/call', { name: 'propose_mutation', arguments: args });
    const answer = await call({ id, key, value, reason });
    is(answer.isError ?? false, false);
    is(answer.structuredContent.status, 'accepted');
    is(answer.structuredContent.version, 1);
    const { updatedBy } = await world.daemon.entry(key);
    const result = await mustBeEverywhere(world, {
      id, key, value, version: 1,
      more: { updatedBy, ttl: null, metadata: { source: reason } },
      logged: { actor: updatedBy, reason },
    });
    match(result.door, /^mcp/);
    const [event] = await events(world, 'system.fact.learned', 1);
    // What the real consumers check before they take one.
    is(event.v, '2');
    ok(event.correlationId && event.egress.connector && event.routing && event.identity.external.id);

    // A key that nobody may write: an answer, and a log document; no state.
    is((await call({ id: 'no-1', key: 'forbidden.key', value: 1, reason: 'try' })).isError, true);
    const refused = await until('the refusal', () => documentAt('mutation_log', 'no-1'));
    is(refused.status, 'rejected');
    is(refused.error, 'Key not allowed');
    is(await documentAt('state', 'forbidden.key'), null);
  });

  await test('all of it once, over a kill -9', async () => {
    await world.daemon.stop('SIGKILL');
    world.daemon = await world.startDaemon('data', policy);
    const { id, key, value, reason } = mutations.mcp_propose_mutation;
    await publish(world, mutations.twitch_stream_online_hardcoded);
    const agent = new Agent(world.daemon.url);
    await agent.begin();
    const again = await agent.call('tools/call', { name: 'propose_mutation', arguments: { id, key, value, reason } });
    is(again.structuredContent.duplicate, true);
    await publish(world, { ...mutations.twitch_stream_offline_hardcoded, id: 'last', reason: 'the end' });
    await until('the last of them', async () => (await documentAt('state', 'stream.state')).version === 4);
    is((await documentAt('state', key)).version, 1);
    is((await events(world, 'system.stream.online', 2)).length, 2);
    is((await events(world, 'system.fact.learned', 1)).length, 1);
    is(await world.daemon.stop(), 0);
  });
} finally {
  await world.end();
}
process.exit(failed === 0 ? 0 : 1);
