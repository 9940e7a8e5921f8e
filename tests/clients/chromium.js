// Opens a page in headless Chromium, runs a script in it, and prints what the script returns as one line of JSON.
// Standard input has {"page": URL, "script": TEXT}. With "steps" instead of "script", a text is run here, as the body
// of a function of the browser's page and of a list of what went wrong in it: errors, refusals by its policy (CSP),
// and requests to another origin. "options" are those of the browser's context, such as its size and colours.
const { text } = require('node:stream/consumers');
const { chromium } = require('playwright-core');

// The machine may be closed to everything but loopback, so the browser must ask for nothing by itself.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

async function main() {
  const { page: url, script, steps, options } = JSON.parse(await text(process.stdin));
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
  try {
    const page = await browser.newPage(options);
    const wrong = [];
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('console', (line) => line.type() === 'error' && wrong.push(line.text()));
    page.on('request', (asked) => new URL(asked.url()).origin !== new URL(url).origin && !asked.url().startsWith('data:') && wrong.push(asked.url()));
    page.setDefaultTimeout(45_000);
    await page.goto(url);
    const run = steps ? new (async () => {}).constructor('page', 'wrong', steps) : () => page.evaluate(script);
    console.log(JSON.stringify((await run(page, wrong)) ?? null));
  } finally {
    await browser.close();
  }
}

main();
