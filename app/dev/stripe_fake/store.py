"""What the fake remembers: objects by kind and id, in memory and in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Thing = dict[str, Any]
"""An object as the API shows it; names that begin with `_` are the fake's own."""


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "stripe.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS thing (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))")
        self._things: dict[str, dict[str, Thing]] = {}
        self._count = 0
        for kind, identity, body in self._db.execute("SELECT kind, id, body FROM thing ORDER BY rowid"):
            self._things.setdefault(kind, {})[identity] = json.loads(body)
            self._count += 1

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:08d}"

    def put(self, kind: str, thing: Thing) -> Thing:
        """Keep an object, new or changed."""
        self._things.setdefault(kind, {})[thing["id"]] = thing
        self._db.execute(
            "INSERT INTO thing VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, thing["id"], json.dumps(thing)),
        )
        return thing

    def find(self, kind: str, identity: str) -> Thing | None:
        return self._things.get(kind, {}).get(identity)

    def all(self, kind: str) -> Iterable[Thing]:
        """In the order in which they were made."""
        return list(self._things.get(kind, {}).values())

    def clear(self) -> None:
        self._db.execute("DELETE FROM thing")
        self._things.clear()

    def close(self) -> None:
        self._db.close()
