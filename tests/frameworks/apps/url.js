// A payment API without a framework: Node's own server, and the path from `new URL`.
const http = require('node:http');

const ledger = [];
const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  request.resume().on('end', () => {
    if (request.method === 'POST' && pathname.replace(/\/$/, '') === '/v1/charges') {
      ledger.push(request.headers['idempotency-key'] ?? '');
      response.writeHead(201).end(JSON.stringify({ id: `ch_${ledger.length}` }));
    } else if (pathname === '/ledger') {
      response.end(JSON.stringify(ledger));
    } else {
      response.writeHead(404).end();
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
