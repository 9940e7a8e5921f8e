"""A charge with its marker row, in one transaction, with psycopg 3.

Run by itself: charge.py DATABASE EXECUTION AMOUNT
"""

import base64
import json
import sys

import psycopg
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb


def charge(connection, execution, amount, currency="eur", key=None):
    """Returns the status, the headers and the body of the answer.

    `execution` is the value of the header Idempotency-Execution.
    """
    headers = {"content-type": "application/json"}
    try:
        # The transaction is committed at the end of this block, and rolled back by any exception.
        with connection.transaction():
            made = connection.execute(
                "INSERT INTO charge (idempotency_key, amount, currency) VALUES (%s, %s, %s) RETURNING id",
                (key, amount, currency),
            ).fetchone()
            body = json.dumps({"id": made[0], "amount": amount, "currency": currency})
            response = {
                "status": 201,
                "headers": headers,
                "body_base64": base64.b64encode(body.encode()).decode(),
            }
            connection.execute(
                "INSERT INTO oncegate_marker (execution, response) VALUES (%s, %s)",
                (execution, Jsonb(response)),
            )
    except UniqueViolation as conflict:
        if conflict.diag.table_name != "oncegate_marker":
            raise
        return 409, {**headers, "idempotency-marker": "conflict"}, json.dumps({"error": "fenced"})
    return 201, headers, body


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        status, headers, body = charge(connection, sys.argv[2], int(sys.argv[3]))
        print(json.dumps({"status": status, "headers": headers, "body": json.loads(body)}))
