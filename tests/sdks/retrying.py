"""Pays through clients for Python that retry by themselves. Reads a JSON line for each call, and writes one with
its result."""

import json
import sys
import threading

import modern_treasury
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry


def modern(port, key, amount):
    client = modern_treasury.ModernTreasury(
        base_url=f"http://127.0.0.1:{port}", api_key="secret", organization_id="org", max_retries=3
    )
    order = client.payment_orders.create(
        amount=amount,
        direction="credit",
        originating_account_id="acct",
        type="ach",
        idempotency_key=key,
    )
    return order.id


def urllib3_retry(port, key, amount):
    # The settings of docs/calling.md.
    retry = Retry(total=3, backoff_factor=0.2, allowed_methods=None, status_forcelist=[429, 502, 503])
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        headers = {"Idempotency-Key": key, "Authorization": "Bearer secret"}
        answer = session.post(f"http://127.0.0.1:{port}/v1/pay", json={"amount": amount}, headers=headers)
        answer.raise_for_status()
        return answer.json()["id"]


CLIENTS = {
    "modern-treasury": (modern, modern_treasury.ModernTreasuryError),
    "urllib3": (urllib3_retry, requests.RequestException),
}


def pay(call, client, port, key, amount):
    ask, errors = CLIENTS[client]
    try:
        return {"call": call, "paid": ask(port, key, amount)}
    except Exception as error:
        response = getattr(error, "response", None)
        return {
            "call": call,
            "raised": type(error).__name__,
            "ours": isinstance(error, errors),
            "status": getattr(response, "status_code", None),
            "message": str(error),
        }


def answer(line):
    sys.stdout.write(json.dumps(pay(**json.loads(line))) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    threading.Thread(target=answer, args=(line,)).start()
