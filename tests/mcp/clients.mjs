// Official clients against the real programs. Run by clients.sh:  node clients.mjs BIN INSPECTOR TRANSCRIPT
// One line a client: `PASSED mcp client NAME`, or FAILED with why.

import { match, ok, strictEqual as is } from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { openHttp, openModernHttp, openModernStdio, openSse, openStdio } from './client_doors.mjs';
import { walk } from './client_walk.mjs';
import { playTranscript } from './clients_transcript.mjs';

const [bin, inspector, transcript] = process.argv.slice(2);
const program = join(bin, 'state-engine');
const token = 'of-the-walkers';
const folder = mkdtempSync(join(tmpdir(), 'se-mcp-clients-'));

// A daemon on its own store, any free port.
async function startDaemon(name, allowed) {
  const data = join(folder, name);
  writeFileSync(`${data}.yaml`, `allowedKeys: ${JSON.stringify(allowed)}\n`);
  const child = spawn(program, ['--data', data, '--port', '0', '--config', `${data}.yaml`],
    { env: { MCP_AUTH_TOKEN: token }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const port = await new Promise((resolve, reject) => {
    child.stderr.on('data', (piece) => {
      log += piece;
      const line = /"state-engine\.listening".*?"port":"(\d+)"/.exec(log);
      if (line) resolve(line[1]);
    });
    child.on('exit', () => reject(new Error(`it did not start: ${log}`)));
  });
  const stop = () => new Promise((resolve) => {
    child.on('exit', resolve);
    child.kill('SIGTERM');
  });
  return { program, data, token, url: `http://127.0.0.1:${port}`, stop };
}

// The inspector's command line: one process a question.
async function inspect(where, ...options) {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath,
    [inspector, '--cli', ...where, '--format', 'json', '--quiet', ...options],
    { env: { PATH: process.env.PATH, HOME: folder }, timeout: 60_000, maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}

async function inspectAll(where, key) {
  const tool = (name, args) => inspect(where, '--method', 'tools/call', '--tool-name', name,
    '--tool-args-json', JSON.stringify(args));
  const listed = await inspect(where, '--method', 'tools/list', '--strict'); // fails for schemas that hosts refuse
  is((listed.result ?? listed).tools.length, 6);
  const made = await tool('propose_mutation', { key, value: 1, reason: 'inspected', expectedVersion: 0, id: key });
  match(JSON.stringify(made), /"status":"accepted"/);
  match(JSON.stringify(await tool('get_state', { keys: [key] })), /"version":1/);
  match(JSON.stringify(await inspect(where, '--method', 'resources/read', '--uri', `state://${key}`)), /inspected/);
  ok(await inspect(where, '--method', 'prompts/list'));
}

let failed = 0;
async function test(name, run) {
  try {
    await run();
    console.log(`PASSED mcp client ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED mcp client ${name}`);
    console.log(`    ${String(error.stack ?? error).replaceAll('\n', '\n    ')}`);
    if (error.stderr) console.log(`    ${error.stderr}`);
  }
}

const daemon = await startDaemon('served', ['walk.*']);
const auth = ['--header', `x-mcp-token: ${token}`];
await test('sdk, Streamable HTTP', async () => walk(await openHttp(daemon), 'walk.http'));
await test('sdk, legacy SSE', async () => walk(await openSse(daemon), 'walk.sse'));
await test('sdk, stdio beside a daemon', async () => walk(await openStdio(daemon), 'walk.stdio'));
await test('client, 2026-07-28, HTTP', async () => walk(await openModernHttp(daemon), 'walk.modern'));
await test('client, 2026-07-28, stdio', async () => walk(await openModernStdio(daemon), 'walk.lines'));
await test('inspector, HTTP', () => inspectAll(['--server-url', `${daemon.url}/mcp`, ...auth], 'walk.i1'));
await test('inspector, HTTP, 2026-07-28', () =>
  inspectAll(['--server-url', `${daemon.url}/mcp`, ...auth, '--protocol-era', 'modern'], 'walk.i2'));
await test('inspector, stdio', () => inspectAll([program, 'mcp', '--data', daemon.data], 'walk.i3'));
await daemon.stop();
// The same store, and nobody on it: its last policy holds.
await test('sdk, stdio alone', async () => walk(await openStdio(daemon), 'walk.alone'));
const recorded = await startDaemon('recorded',
  ['stream.state', 'stream.title', 'stream.category', 'obs.scene', 'user.disposition.*', 'user.fact.*']);
await test('transcript of the original, legacy SSE', () => playTranscript(recorded, transcript));
await recorded.stop();
rmSync(folder, { recursive: true });
process.exit(failed === 0 ? 0 : 1);
