"""A payment API in the style of FastAPI's first steps, served by uvicorn."""

import socket

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

app = FastAPI()
ledger = []


class Charge(BaseModel):
    amount: int


@app.post("/v1/charges", status_code=201)
async def charge(charge: Charge, request: Request):
    ledger.append(request.headers.get("Idempotency-Key", ""))
    return {"id": f"ch_{len(ledger)}", "amount": charge.amount}


@app.get("/ledger")
async def show():
    return ledger


listener = socket.create_server(("127.0.0.1", 0))
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
