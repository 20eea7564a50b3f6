"""Transactions, and the locks of tables that they hold."""

import contextlib
import itertools
import threading
import time

import duckdb

# How long a statement waits for a lock: LOCK_TIMEOUT.
PATIENCE_SECONDS = 10.0
# Somebody waits for a transaction whose session says nothing: after that long it is ended. In Snowflake, 5 minutes.
IDLE_SECONDS = 3.0

next_id = itertools.count(1_700_000_000_000)
# Who holds a table: a transaction, or the statement of a connection that has none open.
holders = {}
released = threading.Condition()


class LockTimeout(Exception):
    pass


class Transaction:
    """What has been done in the open transaction of a connection."""

    def __init__(self, connection):
        self.id = next(next_id)
        self.connection = connection
        self.done = []
        self.used = time.monotonic()
        self.busy = threading.Lock()

    @contextlib.contextmanager
    def in_use(self):
        """While a statement runs."""
        with self.busy:
            try:
                yield
            finally:
                self.used = time.monotonic()

    def end_if_idle(self):
        if time.monotonic() - self.used > IDLE_SECONDS and self.busy.acquire(blocking=False):
            try:
                if transaction_of(self.connection) is self:
                    roll_back(self.connection)
            finally:
                self.busy.release()


class Statement:
    """One that commits by itself."""

    def end_if_idle(self):
        pass


def transaction_of(connection):
    return getattr(connection, "_transaction", None)


def set_transaction(connection, transaction):
    before = transaction_of(connection)
    connection._transaction = transaction
    # What CURRENT_TRANSACTION() is.
    id = "NULL" if transaction is None else f"'{transaction.id}'"
    connection._duck_conn.execute(f"SET VARIABLE transaction = {id}")
    if before is not None:
        release(before)


def release(holder):
    with released:
        for table in [table for table, other in holders.items() if other is holder]:
            del holders[table]
        released.notify_all()


def roll_back(connection):
    with contextlib.suppress(duckdb.Error):
        connection._duck_conn.execute("ROLLBACK")
    set_transaction(connection, None)


def begin_again(transaction):
    """Does the statements of a transaction again, in a new one of DuckDB."""
    connection = transaction.connection._duck_conn
    with contextlib.suppress(duckdb.Error):
        connection.execute("ROLLBACK")
    connection.execute("BEGIN TRANSACTION")
    for sql, params in transaction.done:
        connection.execute(sql, params)


@contextlib.contextmanager
def locked(connection, table):
    """Holds a table, until the transaction ends or the statement. Yields a function that makes the next attempt
    possible, and says whether it is worth one."""
    transaction = transaction_of(connection)
    holder = transaction or Statement()
    deadline = time.monotonic() + PATIENCE_SECONDS
    if table is not None:
        take(table, holder, deadline)

    def again():
        time.sleep(0.005)
        if transaction is not None:
            begin_again(transaction)
        return time.monotonic() < deadline

    try:
        yield again
    finally:
        if transaction is None:
            release(holder)


def take(table, holder, deadline):
    while True:
        with released:
            other = holders.setdefault(table, holder)
            if other is holder:
                return
            released.wait(0.05)
        if time.monotonic() > deadline:
            raise LockTimeout(f"{'.'.join(table)} is locked")
        other.end_if_idle()
