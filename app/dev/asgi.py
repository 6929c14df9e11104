"""The application as `mostrador up` serves it: the production one, plus the `/dev` routes."""

import os
from pathlib import Path

from litestar.types import ASGIApp

from app.asgi import create_app
from app.dev.doors import dev_router
from app.lib.clock import follow_clock_file
from app.lib.log import set_up_logging
from app.settings import read_settings


def from_environment() -> ASGIApp:
    """Factory for the server process. Raises `SettingsError`."""
    set_up_logging("api")
    settings = read_settings(os.environ)
    follow_clock_file(settings.clock_file)
    control, mail = os.environ["MOSTRADOR_DEV_CONTROL"], os.environ["MOSTRADOR_DEV_MAIL"]
    return create_app(settings, extra_routes=[dev_router(Path(control), Path(mail))])
