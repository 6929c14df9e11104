"""`mostrador permissions`: the table of routes and roles, without a database or any other service."""

import argparse
import sys

from app.asgi import create_litestar
from app.cli.openapi import nowhere
from app.lib.matrix import markdown
from app.settings import read_settings


def run(arguments: argparse.Namespace) -> int:
    document = markdown(create_litestar(read_settings(nowhere())).routes)
    if arguments.out is None:
        sys.stdout.write(document)
    else:
        arguments.out.write_text(document, encoding="utf-8")
    return 0
