"""The application as `mostrador up` serves it: the production one, plus the `/dev` routes."""

import os
from pathlib import Path

from litestar import Litestar

from app.asgi import create_app
from app.dev.doors import dev_router
from app.dev.processes import end_with_server
from app.settings import read_settings


def create_dev_app() -> Litestar:
    """Factory for a worker of the HTTP server. Raises `SettingsError`."""
    end_with_server()
    settings = read_settings(os.environ)
    control, mail = os.environ["MOSTRADOR_DEV_CONTROL"], os.environ["MOSTRADOR_DEV_MAIL"]
    return create_app(settings, extra_routes=[dev_router(Path(control), Path(mail))])
