// A payment API in the style of the first page of Express' guide. Usage: node express.js express|express4
const express = require(process.argv[2]);

const ledger = [];
const app = express();
app.use(express.json());
app.post('/v1/charges', (request, response) => {
  ledger.push(request.get('Idempotency-Key') ?? '');
  response.status(201).json({ id: `ch_${ledger.length}`, amount: request.body.amount });
});
app.get('/ledger', (request, response) => response.json(ledger));

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
