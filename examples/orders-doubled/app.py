"""Writes orders into a table, at least once: the position is committed every 200 orders.

After a crash the orders since the last commit are written again.
"""

import json
import os
import signal
import sqlite3
import sys

from confluent_kafka import Consumer, KafkaException

EVERY = 200


def main():
    table = sqlite3.connect(os.environ["DATABASE"])
    # It is the program that crashes here, and not the machine.
    table.execute("pragma synchronous = off")
    table.execute("create table if not exists orders (order_id text, amount integer)")
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": os.environ["KAFKA_GROUP_ID"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
    })
    consumer.subscribe([os.environ["KAFKA_TOPIC"]])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    written = 0
    try:
        while True:
            message = consumer.poll(0.5)
            if message is None:
                commit(consumer)
                continue
            if message.error():
                raise KafkaException(message.error())
            order = json.loads(message.value())
            with table:
                table.execute("insert into orders values (?, ?)",
                              (order["order_id"], order["amount"]))
            written += 1
            if written % EVERY == 0:
                commit(consumer)
    finally:
        commit(consumer)
        consumer.close()


def commit(consumer):
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # Nothing was read since the last commit.
        if error.args[0].name() != "_NO_OFFSET":
            raise


main()
