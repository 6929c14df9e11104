"""The command `mostrador`: parses, then loads only what the command named needs, so that each starts at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Final
from uuid import UUID

from app import __version__

Run = Callable[[argparse.Namespace], int]

FAILED: Final = 1
MISUSED: Final = 2
"""Exit codes beside 0: the work failed; the words or the settings were wrong (argparse's own)."""
_INTERRUPTED: Final = 130

_MODULES: Final = {
    "up": "app.cli.up",
    "api": "app.cli.api",
    "worker": "app.cli.background",
    "monitor": "app.cli.background",
    "migrate": "app.cli.migrate",
    "demo": "app.cli.demo",
    "replay": "app.cli.replay",
    "audit": "app.cli.audit",
    "reseal": "app.cli.reseal",
    "backup": "app.cli.backup",
    "restore": "app.cli.restore",
    "openapi": "app.cli.openapi",
    "permissions": "app.cli.permissions",
    "provider-user": "app.cli.provider_user",
    "legal-figure": "app.cli.legal_figure",
    "verify": "app.cli.verify",
    "distribute": "app.cli.distribute",
}
"""Command to the module whose `run` carries it out."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    arguments = _parser().parse_args(words)
    from app.settings import SettingsError

    run: Run = import_module(_MODULES[arguments.command]).run
    try:
        return run(arguments)
    except SettingsError as error:
        print(f"mostrador {arguments.command}: these settings are missing or wrong:", file=sys.stderr)
        for reason in str(error).splitlines():
            print(f"  {reason}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mostrador", description="Point of sale for small Colombian shops.")
    parser.add_argument("--version", action="version", version=f"mostrador {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run everything, with embedded PostgreSQL and Redis where none is configured")
    up.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="where it is kept (%(default)s)")
    up.add_argument("--port", type=_port, default=8000, help="of the API on 127.0.0.1; 0 takes any (%(default)s)")
    up.add_argument("--no-demo", dest="demo", action="store_false", help="without the demo shop")

    api = commands.add_parser("api", help="serve the HTTP API")
    api.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    api.add_argument("--port", type=_port, default=8000, help="port to listen on (%(default)s)")

    worker = commands.add_parser("worker", help="run background jobs")
    worker.add_argument("--queue", choices=("short", "long", "all"), default="all", help="(%(default)s)")
    commands.add_parser("monitor", help="watch the services and alert")

    migrate = commands.add_parser("migrate", help="make or change the tables")
    migrate.add_argument("revision", nargs="?", default="head", help="revision, +1, -1, base or head (%(default)s)")
    migrate.add_argument("--check", action="store_true", help="change nothing; say where tables and models differ")

    demo = commands.add_parser("demo", help="fill the demo shop (development)")
    demo.add_argument("--remove", action="store_true", help="close the demo shop instead")

    _add_replay(commands.add_parser("replay", help="sell a file of real sales through a running API"))

    _add_audit(commands.add_parser("audit", help="look after the audit trail"))

    commands.add_parser("reseal", help="seal certificates, PINs and technical keys under the current SECRET_KEY")

    commands.add_parser(
        "bounce", help="read a mail server's report of a document that did not arrive, from standard input"
    )

    staff = commands.add_parser("provider-user", help="make an account of the operator's staff, or reset one")
    staff.add_argument("email", metavar="EMAIL")
    staff.add_argument("--name", help="of the person; the address unless given")
    staff.add_argument("--role", choices=("admin", "support", "billing", "ops"), default="admin", help="(%(default)s)")
    staff.add_argument(
        "--reset", action="store_true", help="a new password for an account that exists; its second factor ends"
    )

    _add_backup(commands.add_parser("backup", help="back up, prove, keep and bring back"))
    restore = commands.add_parser("restore", help="bring the whole platform back on an empty server")
    restore.add_argument("source", help="file of the archive, or its name in BACKUP_STORAGE_URL")
    figure = commands.add_parser("legal-figure", help="write down a figure of the law: the UVT of a year")
    figure.add_argument(
        "name", choices=("uvt", "pos-uvt"), help="pos-uvt: UVT up to which a sale may be a POS document"
    )
    figure.add_argument("valid_from", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day that it holds")
    figure.add_argument("value", type=_amount, metavar="VALUE", help="pesos, or UVT")
    figure.add_argument("--source", type=_text, required=True, help="where it was published")

    openapi = commands.add_parser("openapi", help="write the OpenAPI document")
    openapi.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")

    permissions = commands.add_parser("permissions", help="write the table of routes and roles (docs/PERMISOS.md)")
    permissions.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")

    distribute = commands.add_parser("distribute", help="write the script that spreads the tables over a Citus cluster")
    distribute.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")

    _add_verify(commands.add_parser("verify", help="check everything before a deploy, each with its cure"))
    return parser


def _add_replay(replay: argparse.ArgumentParser) -> None:
    replay.add_argument("file", type=Path, metavar="FILE.csv", help="InvoiceNo, StockCode, … of Online Retail")
    replay.add_argument("--url", required=True, help="of the API, as http://127.0.0.1:8000")
    replay.add_argument("--clients", type=_count, default=8, metavar="N", help="requests in flight (%(default)s)")
    replay.add_argument(
        "--ack-file", type=Path, metavar="PATH", help="append id and total of each acknowledged sale, on disk at once"
    )


def _add_audit(audit: argparse.ArgumentParser) -> None:
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", help="recompute the chains")
    verify.add_argument("--from-seq", type=_place, default=1, metavar="N", help="first entry (%(default)s)")
    verify.add_argument("--to-seq", type=_place, metavar="N", help="last entry instead of the end")
    verify.add_argument("--checkpoints", type=Path, metavar="DIR", help="heads that were anchored outside the database")
    anchor = actions.add_parser("anchor", help="keep where each chain ends now")
    anchor.add_argument("--out", type=Path, metavar="DIR", help="also there, instead of AUDIT_CHECKPOINT_DIR")
    archive = actions.add_parser("archive", help="write old entries into signed files; they stay in the table")
    archive.add_argument(
        "--before", type=date.fromisoformat, metavar="YYYY-MM-DD", help="at most as old as is retained"
    )
    archive.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
    for parser in (verify, anchor, archive):
        parser.add_argument("--company", type=UUID, metavar="ID", help="only this one instead of all")
    for name, said in (
        ("verify-archive", "prove a file"),
        ("restore-archive", "put a file's entries back into the table"),
        ("prune", "take a proven file's entries out of the table, as DATABASE_ADMIN_URL"),
    ):
        actions.add_parser(name, help=said).add_argument("file", type=Path, metavar="MANIFEST.json")


def _add_backup(backup: argparse.ArgumentParser) -> None:
    actions = backup.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="back the platform up now")
    create.add_argument("--queue", action="store_true", help="leave it to the worker")
    actions.add_parser("list", help="backups, the newest first, and whether all is well")
    drill = actions.add_parser("drill", help="restore a backup into a scratch database and compare everything")
    drill.add_argument("--backup", type=UUID, metavar="ID", help="instead of the newest")
    for name, said in (("verify", "read an archive whole"), ("fetch", "copy an archive out, to open alone")):
        one = actions.add_parser(name, help=said)
        one.add_argument("object", help="name in the store, or a file")
        if name == "fetch":
            one.add_argument("--out", required=True, metavar="FILE")
    hold = actions.add_parser("hold", help="let nothing delete a backup")
    hold.add_argument("backup", type=UUID, metavar="ID")
    hold.add_argument("--reason", required=True)
    actions.add_parser("release", help="end a hold").add_argument("backup", type=UUID, metavar="ID")
    actions.add_parser("prune", help="delete what is no longer kept")
    actions.add_parser("rotate", help="wrap every archive's key under the current BACKUP_KEY")
    company = actions.add_parser("company", help="archive one company")
    company.add_argument("company", type=UUID, metavar="ID")
    company.add_argument("--out", metavar="FILE.zip", help="also in clear, as its owner gets it")
    restore = actions.add_parser("restore-company", help="bring one company back, or in from another installation")
    restore.add_argument("object", help="name in the store, a sealed file, or an export FILE.zip")
    restore.add_argument("--into", choices=("new", "same", "import"), default="new", help="(%(default)s)")
    restore.add_argument("--dry-run", action="store_true", help="only say what it would change")
    restore.add_argument("--confirm", metavar="NIT", help="for --into same")


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument("--json", action="store_true", help="for programs")
    verify.add_argument("--running", action="store_true", help="also what only a running installation answers")
    verify.add_argument("--strict", action="store_true", help="warnings fail as well")
    verify.add_argument("--evidence", type=Path, metavar="FILE", help="of the tests, instead of build/green.json")
    verify.add_argument("--lock", type=Path, metavar="FILE", help="instead of requirements.txt beside the code")
    verify.add_argument(
        "--least-free-gb", type=_count, default=2, metavar="N", help="that each disk must have left (%(default)s)"
    )


def _place(text: str) -> int:
    return _whole(text, 1, 2**62)


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if value.is_nan() or not Decimal(0) < value < Decimal(10) ** 9 or value != round(value, 2):
        raise argparse.ArgumentTypeError("a positive number with at most two decimals")
    return value


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("may not be empty")
    return text


def _port(text: str) -> int:
    return _whole(text, 0, 65_535)


def _count(text: str) -> int:
    return _whole(text, 1, 1_000)


def _whole(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
    return int(text)
