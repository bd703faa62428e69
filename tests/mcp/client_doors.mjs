// The official clients over each transport, with one face. `open…` connect; refusalIsError: whether a refusal of the
// domain shows as an error of the tool, as everywhere but on the legacy door.

import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';

const self = { name: 'walker', version: '1.0.0' };

// Updates as they come, to be awaited one by one.
class Updates {
  #come = [];
  #waiting = [];

  add(update) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(update);
    else this.#come.push(update);
  }
  next() {
    if (this.#come.length > 0) return Promise.resolve(this.#come.shift());
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error('no update came in 10 s')), 10_000);
      this.#waiting.push((update) => {
        clearTimeout(patience);
        resolve(update);
      });
    });
  }
}

const face = (client, follow, refusalIsError, close) => ({
  refusalIsError,
  follow,
  close: close ?? (() => client.close()),
  tools: async () => (await client.listTools()).tools,
  call: (name, args) => client.callTool({ name, arguments: args }),
  resources: async () => (await client.listResources()).resources,
  templates: async () => (await client.listResourceTemplates()).resourceTemplates,
  resource: (uri) => client.readResource({ uri }),
  prompts: async () => (await client.listPrompts()).prompts,
  prompt: (name, args) => client.getPrompt({ name, arguments: args }),
  complete: (ref, name, value) => client.complete({ ref, argument: { name, value } }),
});

async function sessions(transport, { legacy = false } = {}) {
  const client = new SessionClient(self);
  const updates = new Updates();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updates.add(params));
  await client.connect(transport);
  const follow = async (uri) => {
    if (!client.getServerCapabilities().resources.subscribe) return null;
    await client.subscribeResource({ uri });
    return updates;
  };
  const close = async () => {
    if (transport.terminateSession) await transport.terminateSession();
    await client.close();
  };
  return face(client, follow, !legacy, close);
}

async function modern(transport) {
  const client = new ModernClient(self, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const updates = new Updates();
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => updates.add(params));
  await client.connect(transport);
  const follow = async (uri) => {
    const subscription = await client.listen({ resourceSubscriptions: [uri] });
    if (subscription.honoredFilter.resourceSubscriptions[0] !== uri) throw new Error('not honored');
    return updates;
  };
  return face(client, follow, true);
}

const headers = (token) => ({ requestInit: { headers: { 'x-mcp-token': token } } });
const stdio = (daemon) => ({ command: daemon.program, args: ['mcp', '--data', daemon.data], stderr: 'inherit' });

export const openStdio = (daemon) => sessions(new StdioClientTransport(stdio(daemon)));
export const openHttp = ({ url, token }) =>
  sessions(new StreamableHTTPClientTransport(new URL('/mcp', url), headers(token)));
export const openSse = ({ url, token }) =>
  sessions(new SSEClientTransport(new URL('/sse', url), headers(token)), { legacy: true });
export const openModernHttp = ({ url, token }) => modern(new ModernHttp(new URL('/mcp', url), headers(token)));
export const openModernStdio = (daemon) => modern(new ModernStdio(stdio(daemon)));
