"""The protocol between snowflake-sdk for Node and Snowflake, where fakesnow does not speak it.

 1. Results. fakesnow answers queries in Arrow, which this driver does not read, and leaves out what it waits for.
 2. Sessions. The driver renews a session's token when it is told that it has expired (390112).
 3. Logins. fakesnow lets everybody in. Here a user that CREATE USER has made needs the password, or a JWT that is signed
    with the key of RSA_PUBLIC_KEY; ALTER USER … SET changes them, and ends no session. Any other user is let in.
    Not Snowflake's: ALTER USER … END SESSIONS ends all sessions of a user, as an outage of theirs would.
 4. ALTER SESSION SET. What the emulator has no parameter for is taken and ignored.
"""

import asyncio
import base64
import datetime
import gzip
import importlib
import itertools
import json
import re
import uuid

import jwt
import pyarrow
from cryptography.hazmat.primitives.serialization import load_der_public_key

server = importlib.import_module("fakesnow.server")

SESSION_PARAMETERS = {
    "TIMEZONE": "Etc/UTC",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIME_OUTPUT_FORMAT": "HH24:MI:SS",
    "TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT": "",
    "TIMESTAMP_TZ_OUTPUT_FORMAT": "",
    # Arrays of binds stay in the request.
    "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
}
IGNORED = re.compile(r"^\s*(ALTER\s+SESSION\s+(SET|UNSET)\b(?!\s+AUTOCOMMIT)|USE\s+WAREHOUSE\b|USE\s+ROLE\b|EXPLAIN\b)", re.I)
USER = re.compile(r'^\s*(CREATE|ALTER|DROP)\s+USER\s+(?:IF\s+EXISTS\s+)?"?(\w+)"?\s*(.*)$', re.I | re.S)
PROPERTY = re.compile(r"(PASSWORD|RSA_PUBLIC_KEY(?:_2)?)\s*=\s*'((?:[^']|'')*)'", re.I)

QUERY, LOGIN, RENEWAL = "/queries/v1/query-request", "/session/v1/login-request", "/session/token-request"

# By name: passwords and public keys.
users = {}
# By session.
turns = {}
# By token: the name of the user.
logins = {}
session_ids = itertools.count(1000)


def cell(value, type):
    """A value as a result in JSON has it."""
    if value is None or (isinstance(value, dict) and value["epoch"] is None):
        return None
    if type in ("timestamp_ntz", "timestamp_ltz"):
        return f"{value['epoch']}.{value['fraction']:09d}"
    if type == "timestamp_tz":
        return f"{value['epoch']}.{value['fraction']:09d} {value['timezone']}"
    if type == "time":
        return f"{value // 10**9}.{value % 10**9:09d}"
    if type == "date":
        return str((value - datetime.date(1970, 1, 1)).days)
    if type == "boolean":
        return "1" if value else "0"
    if type == "binary":
        return value.hex().upper()
    if type == "real":
        return repr(value)
    return value if isinstance(value, str) else str(value)


def complete(data):
    """Brings the data of an answer into the form that the driver reads."""
    data["parameters"] = [{"name": name, "value": value} for name, value in SESSION_PARAMETERS.items()]
    if data.get("queryResultFormat") == "arrow":
        arrow, rows = data.pop("rowsetBase64", ""), []
        if arrow:
            table = pyarrow.ipc.open_stream(base64.b64decode(arrow)).read_all()
            types = [column["type"] for column in data["rowtype"]]
            columns = [[cell(v, t) for v in c.to_pylist()] for c, t in zip(table.columns, types)]
            rows = [list(row) for row in zip(*columns)]
        data["queryResultFormat"], data["rowset"] = "json", rows
    if "rowset" in data:
        data["total"] = data["returned"] = len(data["rowset"])
        data["version"] = 1
    return data


def done(words="Statement executed successfully."):
    """The answer to a statement that was taken."""
    text = {"type": "text", "nullable": True, "scale": None, "precision": None, "length": 1, "byteLength": 1}
    data = {
        "rowtype": [{"name": "status", **text}],
        "rowset": [[words]],
        "queryId": str(uuid.uuid4()),
        "statementTypeId": 0x4000,
        "queryResultFormat": "json",
    }
    return {"success": True, "code": None, "message": None, "data": complete(data)}


def refused(code, words, state="08001"):
    return {"success": False, "code": code, "message": words, "data": {"errorCode": code, "sqlState": state}}


def change_user(verb, name, properties):
    name = name.upper()
    if properties.strip().upper() == "END SESSIONS":
        for token in [token for token, user in logins.items() if user == name]:
            logins.pop(token)
            server.sessions.pop(token, None)
        return
    if verb.upper() == "DROP":
        users.pop(name, None)
        return
    known = users.setdefault(name, {})
    for key, value in PROPERTY.findall(properties):
        known[key.upper()] = value.replace("''", "'")


def login_problem(data):
    known = users.get(data.get("LOGIN_NAME", "").upper())
    if known is None:
        return None
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        keys = [known[name] for name in ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2") if name in known]
        return None if any(is_signed(data["TOKEN"], key) for key in keys) else refused("390144", "JWT token is invalid.")
    if known.get("PASSWORD") == data.get("PASSWORD") is not None:
        return None
    return refused("390100", "Incorrect username or password was specified.")


def is_signed(token, key):
    try:
        # The driver gives its times in milliseconds.
        checks = {"verify_exp": False, "verify_iat": False}
        jwt.decode(token, load_der_public_key(base64.b64decode(key)), algorithms=["RS256"], options=checks)
        return True
    except jwt.PyJWTError:
        return False


class Dialogue:
    """Stands before fakesnow's application."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        path = scope.get("path")
        if path == "/telemetry/send":
            return await reply(send, {"success": True, "data": {}})
        if path not in (QUERY, LOGIN, RENEWAL):
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body")
        headers = dict(scope["headers"])
        request = json.loads(gzip.decompress(body) if headers.get(b"content-encoding") == b"gzip" else body)
        if path == RENEWAL:
            return await reply(send, renewal(request))
        if path == QUERY:
            sql = request.get("sqlText") or ""
            user = USER.match(sql)
            if user:
                change_user(*user.groups())
            if user or IGNORED.match(sql):
                return await reply(send, done())
        else:
            problem = login_problem(request["data"])
            if problem:
                return await reply(send, problem)
        # In DuckDB, the statements of one session must not meet.
        async with turns.setdefault(headers.get(b"authorization"), asyncio.Lock()):
            status, answer = await self.ask(scope, receive, body)
        if status >= 500:
            status, answer = 200, refused("000603", answer.get("message"), "XX000")
        elif answer.get("success") and answer.get("data"):
            complete(answer["data"])
            if path == LOGIN:
                answer["data"].update(session(answer["data"]["token"], request["data"].get("LOGIN_NAME", "")))
        await reply(send, answer, status)

    async def ask(self, scope, receive, body):
        """The answer of fakesnow."""
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        start, out = {}, bytearray()

        async def next_message():
            return messages.pop() if messages else await receive()

        async def note(message):
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                out.extend(message.get("body", b""))

        await self.app(scope, next_message, note)
        return start["status"], json.loads(bytes(out))


def session(token, user):
    logins[token] = user.upper()
    hours = 3600
    return {
        "sessionId": next(session_ids),
        "masterToken": f"master-{token}",
        "validityInSeconds": hours,
        "masterValidityInSeconds": 4 * hours,
    }


def renewal(request):
    """The token of a session stays what it was."""
    token = request.get("oldSessionToken", "")
    if token not in logins:
        return refused("390111", "Session no longer exists.  New login required to access the service.")
    times = {"validityInSecondsST": 3600, "validityInSecondsMT": 4 * 3600}
    return {"success": True, "data": {"sessionToken": token, "masterToken": f"master-{token}", **times}}


async def reply(send, answer, status=200):
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
