"""The emulator fakesnow (Snowflake's SQL on DuckDB), made such that snowflake-sdk for Node can use it.

usage: python emulator.py HOST PORT FOLDER     FOLDER keeps the databases, a file each

What the emulator lacks is added in dialogue.py (the driver's protocol) and statements.py (SQL, transactions).
"""

import importlib
import sys

import uvicorn

import statements
from dialogue import Dialogue

server = importlib.import_module("fakesnow.server")

if __name__ == "__main__":
    host, port, folder = sys.argv[1:]
    statements.install()
    server.shared_fs = server.FakeSnow(db_path=folder)
    uvicorn.run(
        Dialogue(server.app),
        host=host,
        port=int(port),
        log_level="warning",
        lifespan="off",
        # The driver keeps connections for longer than the default of 5 s.
        timeout_keep_alive=600,
    )
