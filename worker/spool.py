"""Where alerts and deliveries wait on this machine's disk while PostgreSQL is away: a restarted monitor finds them."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import msgspec
import structlog

from app.settings import Settings
from worker.records import Alert, Delivery

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_Record = TypeVar("_Record", Alert, Delivery)
_OWN: Final = 0o700


class Spool:
    """One file a record. Of several monitors on one machine the first has the folder, the others only their memory."""

    def __init__(self, settings: Settings) -> None:
        mark = hashlib.sha256(settings.database_url.encode()).hexdigest()[:12]
        own = Path("/var/tmp") / f"mostrador-avisos-{os.getuid()}-{mark}"  # noqa: S108 - kept across restarts, 0700
        self.folder = Path(settings.alert_spool_dir) if settings.alert_spool_dir else own
        self._lock: int | None = None

    def open(self) -> None:
        """Take the folder, if it is free."""
        try:
            self.folder.mkdir(mode=_OWN, parents=True, exist_ok=True)
            if self.folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{self.folder} belongs to somebody else")
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            _LOG.warning("no spool", folder=str(self.folder), reason=str(error))
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def keep(self, record: Alert | Delivery) -> None:
        """Write a record, or write it again; a disk that takes nothing leaves it in memory."""
        if self._lock is None:
            return
        file = self._file(type(record), record.id)
        try:
            # Whatever tidies temporary files up may have taken the folder away.
            self.folder.mkdir(mode=_OWN, parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_bytes(msgspec.json.encode(record))
            part.replace(file)
        except OSError as error:
            _LOG.error("not spooled", file=file.name, reason=str(error))

    def drop(self, record: Alert | Delivery) -> None:
        """PostgreSQL has it."""
        if self._lock is None:
            return
        file = self._file(type(record), record.id)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            # Read again by the next monitor, and written again as it was: that changes nothing.
            _LOG.error("left in the spool", file=file.name, reason=str(error))

    def read(self, kind: type[_Record]) -> list[_Record]:
        """Records an earlier monitor left, oldest first."""
        if self._lock is None:
            return []
        found = []
        for file in sorted(self.folder.glob(f"{kind.__name__.lower()}-*.json")):
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=kind))
            except (OSError, msgspec.MsgspecError) as error:
                _LOG.error("unreadable spool file", file=file.name, reason=str(error))
        return found

    def _file(self, kind: type[Alert] | type[Delivery], record_id: UUID) -> Path:
        return self.folder / f"{kind.__name__.lower()}-{record_id}.json"
