"""SQL and transactions as Snowflake has them, where fakesnow or DuckDB have them otherwise.

 1. MERGE. fakesnow makes a temporary table and several statements of it, which breaks inside a transaction and loses
    columns of the source that are used in expressions only. DuckDB has a MERGE of its own.
 2. An error undoes its own statement, and the transaction goes on. DuckDB aborts the transaction: the statements
    before the failed one are done again, in a new one.
 3. PRIMARY KEY and UNIQUE are noted and not enforced. DuckDB enforces them: they are taken out, and SHOW PRIMARY KEYS
    tells what was declared.
 4. CURRENT_TRANSACTION(). fakesnow has none.
 5. DDL commits the open transaction. DuckDB makes it a part of it.
 6. UPDATE, DELETE and MERGE lock their table until the transaction ends, and whoever comes second waits and then sees
    what the first one wrote (locks.py). In DuckDB nobody waits: whoever comes second gets an error.
 7. NUMBER(38,0) has 38 digits; fakesnow makes a BIGINT of it. INTEGER stays one.
 8. Errors have the numbers of Snowflake; others would be an answer 500, which the driver repeats for minutes.
"""

import contextlib
import functools
import importlib
import re
import threading

import duckdb
import snowflake.connector.errors as errors
import sqlglot
from sqlglot import exp

from locks import LockTimeout, Transaction, begin_again, locked, roll_back, set_transaction, transaction_of

cursor = importlib.import_module("fakesnow.cursor")
server = importlib.import_module("fakesnow.server")
transforms = cursor.transforms
Cursor = cursor.FakeSnowflakeCursor

CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
DEFINITIONS = (exp.Create, exp.Alter, exp.Drop)
REPEATED = (exp.Transaction, exp.Commit, exp.Rollback, exp.Select)
DECLARED_KEYS = "_FS_INFORMATION_SCHEMA._DECLARED_KEYS"
SHOW_KEYS = re.compile(r'^\s*SHOW\s+PRIMARY\s+KEYS\s+IN\s+TABLE\s+(.+?)\s*$', re.I | re.S)
CURRENT_TRANSACTION = re.compile(r"\bCURRENT_TRANSACTION\s*\(\s*\)", re.I)

definitions_lock = threading.Lock()
# DuckDB's statements, by Snowflake's and by where they are meant.
translations = {}

original_execute = Cursor.execute
original_run = Cursor._execute


def execute(self, command, params=None, *args, **kwargs):
    """One statement, as the driver sends it."""
    transaction = transaction_of(self._conn)
    command = CURRENT_TRANSACTION.sub("GETVARIABLE('transaction')", command)
    shown = SHOW_KEYS.match(command)
    if shown:
        command = declared_keys(self._conn, shown.group(1))
    try:
        with transaction.in_use() if transaction is not None else contextlib.nullcontext():
            known = translations.get((command, self._conn.database, self._conn.schema))
            if known is None:
                original_execute(self, command, params, *args, **kwargs)
            else:
                self._execute(known.copy(), list(kwargs.get("binding_params") or []) or None)
            remember(self, command, kwargs)
            return self
    finally:
        # Kept for whoever fetches a result later, which nobody does: it would only grow.
        self._conn.results_cache.clear()


def remember(self, command, kwargs):
    """Keeps what a statement was translated to that may come again: to translate it takes longer than to do it."""
    statement = self._last_statement
    if isinstance(statement, CHANGES) and not kwargs.get("binding_params"):
        return
    if statement is None:
        return
    if len(translations) > 1000:
        translations.clear()
    translations.setdefault((command, self._conn.database, self._conn.schema), statement)


def run(self, transformed, params=None):
    """One statement in DuckDB's SQL."""
    connection = self._conn
    transaction = transaction_of(connection)
    self._last_statement = transformed.copy() if isinstance(transformed, (*CHANGES, *REPEATED)) else None
    try:
        if transaction is not None and isinstance(transformed, DEFINITIONS):
            self._duck_conn.execute("COMMIT")
            set_transaction(connection, None)
        if isinstance(transformed, DEFINITIONS):
            define(self, transformed, params)
        elif isinstance(transformed, CHANGES):
            change(self, transformed, params)
        else:
            original_run(self, transformed, params)
        if isinstance(transformed, exp.Transaction) and transaction is None:
            set_transaction(connection, Transaction(connection))
        elif isinstance(transformed, (exp.Commit, exp.Rollback)):
            set_transaction(connection, None)
        elif transaction is not None and isinstance(transformed, CHANGES):
            transaction.done.append((text_of(transformed), params))
    except (duckdb.Error, errors.Error, LockTimeout) as error:
        if transaction is not None and transaction_of(connection) is transaction:
            if isinstance(transformed, exp.Commit):
                roll_back(connection)
            else:
                begin_again(transaction)
        raise told(error) from error


def define(self, transformed, params):
    """DDL, one at a time: what fakesnow notes beside has keys that DuckDB enforces."""
    with definitions_lock:
        keys = take_keys(transformed) if isinstance(transformed, exp.Create) else []
        original_run(self, transformed, params)
        declare_keys(self._conn, transformed, keys)


def change(self, transformed, params):
    """Changes rows, when nobody else does so in that table."""
    with locked(self._conn, None if isinstance(transformed, exp.Insert) else table_of(self._conn, transformed)) as again:
        while True:
            try:
                if isinstance(transformed, exp.Merge):
                    return merge(self, transformed, params)
                return original_run(self, transformed, params)
            except (duckdb.Error, errors.Error) as error:
                # Somebody has changed the table since the transaction began, and DuckDB shows it as it was then.
                if not is_conflict(error) or not again():
                    raise


def table_of(connection, statement):
    table = statement.this if isinstance(statement.this, exp.Table) else statement.find(exp.Table)
    return (table.catalog or connection.database, table.db or connection.schema, table.name)


def is_conflict(error):
    cause = error.__cause__ if isinstance(error, errors.Error) else error
    return isinstance(cause, duckdb.TransactionException) and "onflict" in str(cause)


def told(error):
    """An error under its number of Snowflake, and its SQLSTATE."""
    cause = error.__cause__ if isinstance(error, errors.Error) else error
    words = str(error.msg if isinstance(error, errors.Error) else error)
    if isinstance(error, LockTimeout) or is_conflict(error):
        return errors.ProgrammingError(msg=f"The lock was not released in time: {words}", errno=625, sqlstate="57014")
    if isinstance(cause, duckdb.ConversionException):
        return errors.ProgrammingError(msg=words, errno=100038, sqlstate="22018")
    if isinstance(cause, duckdb.OutOfRangeException):
        return errors.ProgrammingError(msg=words, errno=100132, sqlstate="22003")
    if isinstance(cause, duckdb.ConstraintException):
        return errors.ProgrammingError(msg=words, errno=100072, sqlstate="22000")
    if isinstance(cause, duckdb.InvalidInputException):
        return errors.ProgrammingError(msg=words, errno=100069, sqlstate="22P02")
    if isinstance(cause, duckdb.BinderException):
        return errors.ProgrammingError(msg=words, errno=904, sqlstate="42000")
    if isinstance(cause, duckdb.CatalogException):
        if "already exists" in words:
            return errors.ProgrammingError(msg=words, errno=2002, sqlstate="42710")
        return errors.ProgrammingError(msg=words, errno=2003, sqlstate="42S02")
    if isinstance(error, errors.Error):
        return error
    return errors.ProgrammingError(msg=words, errno=603, sqlstate="XX000")


def merge(self, expression, params):
    """MERGE by DuckDB itself."""
    wanted = {name for name, clauses in cursor.merge_operations(expression).items() if clauses}
    counts = {"inserted": 0, "updated": 0, "deleted": 0}
    for (action,) in self._duck_conn.execute(text_of(expression), params).fetchall():
        counts[{"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}[action]] += 1
    shown = [f'{counts[name]} AS "number of rows {name}"' for name in counts if name in wanted]
    original_run(self, sqlglot.parse_one(f"SELECT {', '.join(shown)}", read="duckdb"))
    self._rowcount = sum(counts.values())


def text_of(expression):
    """A statement that changes rows, in the words of DuckDB, whose MERGE wants no alias before columns it writes."""
    if not isinstance(expression, exp.Merge):
        return expression.sql(dialect="duckdb")
    statement = expression.copy()
    for when in statement.args["whens"].expressions:
        then = when.args.get("then")
        if isinstance(then, exp.Update):
            for assignment in then.expressions:
                if isinstance(assignment.this, exp.Column):
                    assignment.set("this", exp.column(assignment.this.this.copy()))
        if isinstance(then, exp.Insert) and then.this:
            for column in then.this.expressions:
                if isinstance(column, exp.Column):
                    column.set("table", None)
    statement.set("returning", exp.Returning(expressions=[exp.column("merge_action")]))
    return statement.sql(dialect="duckdb")


def take_keys(create):
    """Removes the keys from a CREATE TABLE. Returns the columns of its primary key, which stay NOT NULL."""
    schema = create.this
    if create.args.get("kind") != "TABLE" or not isinstance(schema, exp.Schema):
        return []
    keys, kept = [], []
    for part in schema.expressions:
        plain = part.find(exp.PrimaryKey, exp.UniqueColumnConstraint, exp.ForeignKey)
        if not isinstance(part, exp.ColumnDef) and plain is not None:
            if isinstance(plain, exp.PrimaryKey):
                keys = [column.name for column in plain.expressions]
            continue
        if isinstance(part, exp.ColumnDef):
            constraints = []
            for constraint in part.constraints:
                if isinstance(constraint.kind, exp.PrimaryKeyColumnConstraint):
                    keys = [part.name]
                    constraint = exp.ColumnConstraint(kind=exp.NotNullColumnConstraint())
                if not isinstance(constraint.kind, (exp.UniqueColumnConstraint, exp.Reference)):
                    constraints.append(constraint)
            part.set("constraints", constraints)
        kept.append(part)
    for part in kept:
        if isinstance(part, exp.ColumnDef) and part.name in keys:
            if not any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in part.constraints):
                part.append("constraints", exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
    schema.set("expressions", kept)
    return keys


def declare_keys(connection, create, keys):
    if not keys:
        return
    table = create.find(exp.Table)
    name, schema = table.name, table.db or connection.schema
    note = f"{connection.database}.{DECLARED_KEYS}"
    duck = connection._duck_conn.cursor()
    duck.execute(f"CREATE TABLE IF NOT EXISTS {note} (schema_name VARCHAR, table_name VARCHAR, name VARCHAR, seq INT)")
    duck.execute(f"DELETE FROM {note} WHERE schema_name = ? AND table_name = ?", [schema, name])
    for sequence, key in enumerate(keys, 1):
        duck.execute(f"INSERT INTO {note} VALUES (?, ?, ?, ?)", [schema, name, key, sequence])


def declared_keys(connection, table_text):
    table = sqlglot.parse_one(f"SELECT * FROM {table_text}", read="snowflake").find(exp.Table)
    table = table.transform(transforms.upper_case_unquoted_identifiers)
    duck = connection._duck_conn.cursor()
    try:
        rows = duck.execute(
            f"SELECT name, seq FROM {connection.database}.{DECLARED_KEYS} WHERE schema_name = ? AND table_name = ?",
            [table.db or connection.schema, table.name],
        ).fetchall()
    except duckdb.Error:
        rows = []
    values = [f"""SELECT '{name.replace("'", "''")}' AS "column_name", {seq} AS "key_sequence" """ for name, seq in rows]
    return " UNION ALL ".join(values) or """SELECT '' AS "column_name", 0 AS "key_sequence" WHERE 1 = 0"""


def integer_precision(expression):
    """NUMBER(38,0) keeps its digits, and NUMBER alone is the same type."""
    if isinstance(expression, exp.DataType) and expression.this == exp.DataType.Type.DECIMAL:
        if not expression.expressions:
            return exp.DataType.build("DECIMAL(38,0)", dialect="duckdb")
        return expression
    return original_integer_precision(expression)


original_integer_precision = transforms.integer_precision


original_describe = Cursor._describe_last_sql
COUNTS = re.compile(r"""^SELECT (\d+ as ['"]number of rows|'Statement executed)""", re.I)
descriptions = {}


def describe(self):
    """The columns of the last result; those of counts are always the same."""
    if not COUNTS.match(self._last_sql):
        return original_describe(self)
    key = re.sub(r"\d+", "0", self._last_sql)
    if key not in descriptions:
        descriptions[key] = original_describe(self)
    return descriptions[key]


def install():
    transforms.merge = lambda expression: [expression]
    transforms.integer_precision = integer_precision
    Cursor.execute = execute
    Cursor._execute = run
    Cursor._describe_last_sql = describe
    server.parse_one = functools.lru_cache(maxsize=500)(server.parse_one)
