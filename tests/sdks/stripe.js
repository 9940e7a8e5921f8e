// Pays through stripe-node. Reads a JSON line for each call, and writes one with its result.
const readline = require('node:readline');
const Stripe = require('stripe');

async function pay({ call, port, key, amount }) {
  const stripe = new Stripe('sk_test_1', {
    host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 2, telemetry: false,
  });
  try {
    const intent = await stripe.paymentIntents.create({ amount, currency: 'eur' }, { idempotencyKey: key });
    return { call, paid: intent.id ?? null };
  } catch (error) {
    const ours = error instanceof Stripe.errors.StripeError;
    const { code = null, statusCode: status = null, message } = error;
    const record = error.raw?.record ?? null;
    return { call, raised: error.constructor.name, ours, code, status, message, record };
  }
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  console.log(JSON.stringify(await pay(JSON.parse(line))));
});
