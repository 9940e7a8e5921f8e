"""Pays through stripe-python. Reads a JSON line for each call, and writes one with its result."""

import json
import sys
import threading

import stripe


def pay(call, port, key, amount):
    client = stripe.StripeClient(
        "sk_test_1", base_addresses={"api": f"http://127.0.0.1:{port}"}, max_network_retries=2
    )
    try:
        intent = client.v1.payment_intents.create(
            {"amount": amount, "currency": "eur"}, {"idempotency_key": key}
        )
        return {"call": call, "paid": getattr(intent, "id", None)}
    except Exception as error:
        told = (getattr(error, "json_body", None) or {}).get("error") or {}
        return {
            "call": call,
            "raised": type(error).__name__,
            "ours": isinstance(error, stripe.StripeError),
            "code": told.get("code"),
            "record": told.get("record"),
            "status": getattr(error, "http_status", None),
            "message": str(error),
        }


def answer(line):
    sys.stdout.write(json.dumps(pay(**json.loads(line))) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    threading.Thread(target=answer, args=(line,)).start()
