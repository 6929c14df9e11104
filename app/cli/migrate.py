"""`mostrador migrate`: the tables' revisions."""

import argparse
import asyncio
import os

from app.cli import FAILED
from app.db.migrate import drift, head_revision, migrate
from app.settings import read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if arguments.check:
        differences = asyncio.run(drift(settings))
        for difference in differences:
            print(difference)
        print(f"{len(differences)} differences between tables and models")
        return FAILED if differences else 0
    asyncio.run(migrate(settings, arguments.revision))
    print(f"tables are at {head_revision() if arguments.revision == 'head' else arguments.revision}")
    return 0
