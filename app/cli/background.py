"""`mostrador worker` and `mostrador monitor`: the processes without a port."""

import argparse
import os

from app.settings import read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if arguments.command == "monitor":
        from worker.monitor import run as watch

        return watch(settings)
    from worker.main import run as work

    return work(settings, arguments.queue)
