// What was recorded of the original legacy door (transcript.json), said to the real daemon: its answers must be the
// recorded ones, but for what CONTRACTS leaves free.

import { deepStrictEqual as same, match, strictEqual as is } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

// One HTTP request. `stream` takes the answer's pieces instead of waiting for its end.
function ask(url, { method = 'GET', headers = {}, body, socketPath, stream } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, socketPath, agent: new Agent() }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece) => (stream ? stream(piece) : (text += piece)));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: text }));
      if (stream) resolve({ status: answer.statusCode, headers: answer.headers, close: () => answer.destroy() });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

// The state as it was when it was recorded: version 42 of the one key.
async function prepare(daemon) {
  const set = (more) =>
    ask(`${daemon.url}/v1/mutations`, {
      method: 'POST',
      socketPath: `${daemon.data}/engine.sock`,
      headers: { 'content-type': 'application/json', 'x-user-id': 'ingress-egress:twitch' },
      body: JSON.stringify({ op: 'set', key: 'stream.state', value: 'on', ttl: 21600,
        reason: 'Twitch EventSub: stream.online', ...more }),
    });
  for (let version = 1; version < 42; ++version) is((await set({})).status, 200);
  is((await set({ metadata: { source: 'Twitch EventSub: stream.online', streamId: '123' } })).status, 200);
}

const free = (text) => text.replaceAll(/"updatedAt": "[^"]*"/g, '"updatedAt": "…"');

export async function playTranscript(daemon, path) {
  const steps = JSON.parse(readFileSync(path, 'utf8'));
  await prepare(daemon);
  const auth = { 'x-mcp-token': daemon.token };
  const frames = [];
  let wake = () => {};
  let rest = '';
  const take = (piece) => {
    rest += piece;
    const parts = rest.split('\n\n');
    rest = parts.pop();
    frames.push(...parts.filter((part) => !part.startsWith(':')));
    wake();
  };
  const nextFrame = async () => {
    for (const until = Date.now() + 10_000; frames.length === 0; ) {
      if (Date.now() > until) throw new Error('no frame came in 10 s');
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, 100);
      });
    }
    return frames.shift();
  };

  const post = (target, body, headers) =>
    ask(daemon.url + target, { method: 'POST', headers: { 'content-type': 'application/json', ...auth, ...headers },
      body });
  const faults = {
    'POST /message (no sessionId)': () => post('/message', '{}'),
    'POST /message?sessionId=unknown': () => post('/message?sessionId=unknown', '{}'),
    'POST not-jsonrpc': () => post(target, '{"hello":"there"}'),
    'POST bad json': () => post(target, '{nope'),
    'POST text/plain': () => post(target, 'x', { 'content-type': 'text/plain' }),
    'POST batch array': () => post(target, '[{"jsonrpc":"2.0","method":"ping","id":1}]'),
  };
  const compare = (ours, recorded) => {
    is(ours.id, recorded.id);
    is(ours.error?.code, recorded.error?.code);
    if (recorded.error && !recorded.error.message.startsWith('[')) is(ours.error.message, recorded.error.message);
    if (!recorded.result) return;
    is(ours.result.isError, recorded.result.isError);
    is(ours.result.protocolVersion, recorded.result.protocolVersion);
    is(ours.result.serverInfo?.name, recorded.result.serverInfo?.name);
    if (recorded.result.tools) {
      for (const theirs of recorded.result.tools) {
        const mine = ours.result.tools.find((tool) => tool.name === theirs.name);
        same(new Set(mine?.inputSchema.required), new Set(theirs.inputSchema.required), theirs.name);
        same(mine.scopes, theirs.scopes, theirs.name);
      }
    }
    const [mine, theirs] = [ours, recorded].map(({ result }) => result.content?.[0].text);
    if (theirs?.includes(' proposed for ')) match(mine, /"status": "accepted"/); // ours waits for the decision
    else if (theirs) is(free(mine), free(theirs));
  };

  let target = '', waiting = 0;
  for (const step of steps) {
    if (step.req === 'GET /sse (no token)') {
      const { status, headers, body } = await ask(`${daemon.url}/sse`);
      same({ status, ct: headers['content-type'], body }, step.res);
    } else if (step.req === 'GET /sse (token)') {
      const stream = await ask(`${daemon.url}/sse`, { headers: auth, stream: take });
      is(stream.status, step.status);
      for (const name of ['content-type', 'cache-control']) is(stream.headers[name], step.headers[name]);
      target = /^event: endpoint\ndata: (\/message\?sessionId=[0-9a-f-]{36})$/.exec(await nextFrame())[1];
    } else if (step.post) {
      const { status, body } = await post(target, JSON.stringify(step.post));
      same({ status, body }, { status: 202, body: 'Accepted' });
      ++waiting;
    } else if (step.sse_frame?.startsWith('event: message')) {
      const data = (frame) => JSON.parse(/^event: message\ndata: (.*)$/.exec(frame)[1]);
      compare(data(await nextFrame()), data(step.sse_frame));
    } else if (faults[step.req]) {
      const { status, body } = await faults[step.req]();
      is(status, step.res.status, step.req);
      if (!step.res.body.startsWith('<')) is(body, step.res.body);
    }
  }
  is(waiting, 15);
}
