"""Settings that are refused at the start."""

import base64

import pytest

from app.settings import SettingsError, read_settings

ENVIRON = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://a@db/m",
    "DATABASE_PLATFORM_URL": "postgresql://b@db/m",
    "REDIS_URL": "redis://redis/0",
    "TOKEN_SIGNING_KEY": base64.b64encode(bytes(range(32))).decode(),
    "SECRET_KEY": base64.b64encode(bytes(range(32, 64))).decode(),
}


@pytest.mark.parametrize(
    ("environment", "url", "is_good"),
    [
        ("production", "", True),
        ("production", "https://proxy.example.co/dian", True),
        ("production", "http://127.0.0.1:9000/WcfDianCustomerServices.svc", False),
        ("development", "http://127.0.0.1:9000/WcfDianCustomerServices.svc", True),
        ("development", "vpfe.dian.gov.co", False),
    ],
)
def test_dian_is_reached_by_https_in_production(environment: str, url: str, is_good: bool) -> None:
    environ = ENVIRON | {"ENVIRONMENT": environment, "DIAN_URL": url}
    if is_good:
        assert read_settings(environ).dian_url == (url or None)
        return
    with pytest.raises(SettingsError, match="DIAN_URL"):
        read_settings(environ)
