"""`mostrador openapi`: the document of the API, without a database or any other service."""

import argparse
import base64
import os
import sys

from app.asgi import create_litestar
from app.lib.openapi import document_of
from app.settings import read_settings


def run(arguments: argparse.Namespace) -> int:
    document = document_of(create_litestar(read_settings(nowhere())))
    if arguments.out is None:
        sys.stdout.buffer.write(document)
    else:
        arguments.out.write_bytes(document)
    return 0


def nowhere() -> dict[str, str]:
    """Settings of an application that is built and never started: nothing connects, the keys sign nothing."""
    return {
        "ENVIRONMENT": "development",
        "DATABASE_URL": "postgresql://nobody@localhost/nothing",
        "DATABASE_PLATFORM_URL": "postgresql://nobody@localhost/nothing",
        "REDIS_URL": "redis://localhost/0",
        "TOKEN_SIGNING_KEY": _key(),
        "SECRET_KEY": _key(),
    }


def _key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
