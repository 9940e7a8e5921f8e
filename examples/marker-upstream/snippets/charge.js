// A charge with its marker row, in one transaction, with pg.
//
// Run by itself: node charge.js DATABASE EXECUTION AMOUNT

const { Pool } = require("pg");

const UNIQUE_VIOLATION = "23505";

// Returns the status, the headers and the body of the answer. `execution` is the value of the header
// Idempotency-Execution.
async function charge(pool, execution, { key = null, amount, currency = "eur" }) {
  const headers = { "content-type": "application/json" };
  const connection = await pool.connect();
  try {
    await connection.query("BEGIN");
    const made = await connection.query(
      "INSERT INTO charge (idempotency_key, amount, currency) VALUES ($1, $2, $3) RETURNING id",
      [key, amount, currency],
    );
    const body = JSON.stringify({ id: Number(made.rows[0].id), amount, currency });
    const response = { status: 201, headers, body_base64: Buffer.from(body).toString("base64") };
    await connection.query("INSERT INTO oncegate_marker (execution, response) VALUES ($1, $2)", [
      execution,
      response,
    ]);
    await connection.query("COMMIT");
    connection.release();
    return { status: 201, headers, body };
  } catch (error) {
    const conflict = error.code === UNIQUE_VIOLATION && error.table === "oncegate_marker";
    // Closing the connection rolls back as well, whatever has happened to it.
    connection.release(true);
    if (!conflict) throw error;
    const marked = { ...headers, "idempotency-marker": "conflict" };
    return { status: 409, headers: marked, body: JSON.stringify({ error: "fenced" }) };
  }
}

async function main([database, execution, amount]) {
  const pool = new Pool({ connectionString: database });
  const { status, headers, body } = await charge(pool, execution, { amount: Number(amount) });
  console.log(JSON.stringify({ status, headers, body: JSON.parse(body) }));
  await pool.end();
}

if (require.main === module) main(process.argv.slice(2));

module.exports = { charge };
