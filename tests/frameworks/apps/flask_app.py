"""A payment API in the style of Flask's quick start."""

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)
ledger = []


@app.post("/v1/charges")
def charge():
    ledger.append(request.headers.get("Idempotency-Key", ""))
    return jsonify(id=f"ch_{len(ledger)}", amount=request.get_json()["amount"]), 201


@app.post("/v1/refunds/")
def refund():
    ledger.append(request.headers.get("Idempotency-Key", ""))
    return jsonify(id=f"re_{len(ledger)}", amount=request.get_json()["amount"]), 201


@app.get("/ledger")
def show():
    return jsonify(ledger)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"listening on 127.0.0.1:{server.port}", flush=True)
server.serve_forever()
