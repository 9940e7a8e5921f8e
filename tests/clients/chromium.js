// Opens a page in headless Chromium, runs a script in it, and prints what the script returns as one line of JSON.
// The page and the script are read from standard input: {"page": URL, "script": TEXT}.
const { text } = require('node:stream/consumers');
const { chromium } = require('playwright-core');

// The machine may be closed to everything but loopback, so the browser must ask for nothing by itself.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

async function main() {
  const { page: url, script } = JSON.parse(await text(process.stdin));
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
  try {
    const page = await browser.newPage();
    await page.goto(url);
    console.log(JSON.stringify(await page.evaluate(script)));
  } finally {
    await browser.close();
  }
}

main();
