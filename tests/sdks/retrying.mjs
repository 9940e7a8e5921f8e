// Pays through clients for Node that retry by themselves. Reads a JSON line for each call, and writes one with its
// result.
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';

// Modules are not looked up in NODE_PATH, only what `require` loads is.
const require = createRequire(import.meta.url);
const { got, HTTPError, RequestError } = await import(pathToFileURL(require.resolve('got')).href);
const axios = require('axios');
const { default: axiosRetry, isNetworkError } = require('axios-retry');

// The settings of docs/calling.md.
const STATUSES = [429, 502, 503];

const clients = {
  async got({ port, key, amount }) {
    const answer = await got.post(`http://127.0.0.1:${port}/v1/pay`, {
      json: { amount },
      headers: { 'idempotency-key': key, authorization: 'Bearer secret' },
      retry: { limit: 3, methods: ['POST'], statusCodes: STATUSES },
    });
    return JSON.parse(answer.body).id;
  },
  async 'axios-retry'({ port, key, amount }) {
    const client = axios.create();
    axiosRetry(client, {
      retries: 3,
      retryDelay: axiosRetry.exponentialDelay,
      retryCondition: (error) => isNetworkError(error) || STATUSES.includes(error.response?.status),
    });
    const headers = { 'idempotency-key': key, authorization: 'Bearer secret' };
    return (await client.post(`http://127.0.0.1:${port}/v1/pay`, { amount }, { headers })).data.id;
  },
};

async function pay({ call, client, ...request }) {
  try {
    return { call, paid: (await clients[client](request)) ?? null };
  } catch (error) {
    const ours = error instanceof RequestError || error instanceof HTTPError || axios.isAxiosError(error);
    const status = error.response?.statusCode ?? error.response?.status ?? null;
    return { call, raised: error.constructor.name, ours, status, message: error.message };
  }
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  console.log(JSON.stringify(await pay(JSON.parse(line))));
});
