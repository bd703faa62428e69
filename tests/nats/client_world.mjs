// A nats-server, a daemon on it, and what the tests ask of both. Each is stopped by its own process.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect } from 'nats';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for what must come: for a hung program, not for a slow machine. */
export async function until(what, condition) {
  for (let i = 0; i < 6000; ++i) {
    const found = await condition();
    if (found) return found;
    await sleep(10);
  }
  throw new Error(`it does not come: ${what}`);
}

export class World {
  constructor(bin, server) {
    this.bin = bin;
    this.server = server;
    this.folder = mkdtempSync(join(tmpdir(), 'se-nats-'));
    this.children = [];
    this.environment = {}; // of daemons, beside the server's url
  }

  async startServer() {
    const ports = join(this.folder, 'ports');
    mkdirSync(ports);
    const child = spawn(this.server, ['-js', '-a', '127.0.0.1', '-p', '-1', '-sd', join(this.folder, 'store'),
      '--ports_file_dir', ports], { stdio: 'ignore' });
    this.children.push(child);
    const file = await until('the port of nats-server', () =>
      readdirSync(ports).find((name) => name.endsWith('.ports') && readFileSync(join(ports, name)).length > 0));
    [this.url] = JSON.parse(readFileSync(join(ports, file), 'utf8')).nats;
    this.connection = await until('nats-server', () => connect({ servers: this.url }).catch(() => null));
    this.jetstream = this.connection.jetstream();
    this.manager = await this.connection.jetstreamManager();
  }

  /** A daemon on a store of its own; settings as name=value. */
  async startDaemon(name, policy, settings = {}) {
    const data = join(this.folder, name);
    writeFileSync(`${data}.yaml`, policy);
    const words = Object.entries({ 'nats.prefix': 'local.', ...settings }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const child = spawn(join(this.bin, 'state-engine'), ['--data', data, '--port', '0', '--config', `${data}.yaml`, ...words],
      { env: { NATS_URL: this.url, ...this.environment }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.children.push(child);
    const daemon = { child, data, log: '' };
    const port = await new Promise((resolve, reject) => {
      child.stderr.on('data', (piece) => {
        daemon.log += piece;
        const line = /"state-engine\.listening".*?"port":"(\d+)"/.exec(daemon.log);
        if (line) resolve(line[1]);
      });
      child.on('exit', () => reject(new Error(`it did not start: ${daemon.log}`)));
    });
    daemon.url = `http://127.0.0.1:${port}`;
    daemon.get = async (path) => (await fetch(daemon.url + path)).json();
    daemon.entry = (key) => daemon.get(`/v1/state/${encodeURIComponent(key)}`);
    daemon.records = () => daemon.get('/v1/records?from=1&limit=5000');
    daemon.stop = (signal = 'SIGTERM') => new Promise((resolve) => {
      child.on('exit', resolve);
      child.kill(signal);
    });
    return daemon;
  }

  /** All that was published on a topic, in the order of the stream: {json, headers, id}. */
  async published(topic, subject = `local.${topic}`) {
    const name = `look${this.looks = (this.looks ?? 0) + 1}`;
    await this.manager.consumers.add('BITBRAT', { durable_name: name, ack_policy: 'none', filter_subject: subject });
    const consumer = await this.jetstream.consumers.get('BITBRAT', name);
    const found = [];
    for (let left = (await consumer.info()).num_pending; left > 0;) {
      const batch = await consumer.fetch({ max_messages: left, expires: 2000 });
      for await (const message of batch) {
        --left;
        found.push({
          json: JSON.parse(message.string()),
          headers: Object.fromEntries([...message.headers ?? []].map(([key, value]) => [key, value[0]])),
        });
      }
    }
    return found;
  }

  /** Waits until so many different messages lie under a topic. */
  async publishedOnce(topic, count) {
    return until(`${count} messages on ${topic}`, async () => {
      const all = new Map((await this.published(topic)).map((one) => [one.headers['Nats-Msg-Id'], one]));
      return all.size >= count ? [...all.values()] : null;
    });
  }

  consumer(durable) {
    return this.manager.consumers.info('BITBRAT', durable);
  }

  /** The durable of a daemon, once it has one. */
  async ownDurable() {
    return until('a durable of our own', async () => {
      try {
        for await (const one of this.manager.consumers.list('BITBRAT'))
          if (one.name.startsWith('state-engine-')) return one.name;
      } catch { /* no stream yet */ }
      return null;
    });
  }

  async settled(durable) {
    await until(`${durable} has nothing left`, async () => {
      try {
        const info = await this.consumer(durable);
        return info.num_pending === 0 && info.num_ack_pending === 0;
      } catch { return false; }
    });
  }

  async end() {
    await this.connection.close();
    for (const child of this.children) if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true });
  }
}
