"""Prints the identity of every order in the table, as `psql -Atc` would."""

import os
import sqlite3

database = os.environ["DATABASE"]
if os.path.exists(database):
    for (order_id,) in sqlite3.connect(database).execute("select order_id from orders"):
        print(order_id)
