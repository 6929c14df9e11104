"""All settings: one frozen struct, read from the environment once, every error told at once and by name."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

Environment = Literal["development", "production", "test"]
ENVIRONMENTS: Final[tuple[Environment, ...]] = ("development", "production", "test")

_Option = TypeVar("_Option", bound=str)


class SettingsError(Exception):
    """The environment does not make a runnable system; the message lists every reason, one a line."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to know. Secrets have no defaults; `mostrador up` makes its own."""

    environment: Environment
    database_url: str
    database_platform_url: str
    database_admin_url: str | None
    database_backup_url: str | None
    database_direct_url: str
    redis_url: str
    signing_key: bytes
    """Ed25519 seed, 32 bytes."""
    secret_key: bytes
    """Root of the HMAC keys (audit, refresh rotation) and of what is sealed at rest, 32 bytes."""
    former_secret_keys: tuple[bytes, ...]
    """Still open what they sealed."""
    public_url: str
    trusted_proxies: tuple[str, ...]
    cors_origins: tuple[str, ...]
    metrics_token: str | None
    api_workers: int
    leave_seconds: int
    """How long the API, told to stop, still takes requests while `/health/ready` answers 503."""
    pool_size: int
    lane_size: int
    """Connections of the sale's own pool, per API process."""
    behind_pooler: bool
    """DATABASE_URL goes through PgBouncer in transaction mode: no named prepared statements are kept."""
    pin: Literal["set_config", "set_local"]
    """How a transaction is tied to its company; Citus needs `set_local` (its shards do not see `set_config`)."""
    rate_per_minute: int
    rate_burst: int
    rate_user_per_minute: int
    """Of one person in one company."""
    rate_heavy_per_minute: int
    """Of one person and one costly route: uploads, imports, labels, exports."""
    signups_per_hour: int
    trial_days: int
    """How long a new company tries the product."""
    smtp_host: str | None
    smtp_port: int
    smtp_user: str | None
    smtp_pass: str | None
    smtp_tls: Literal["none", "starttls", "tls"]
    mail_from: str
    alerts_enabled: bool
    alert_email: str | None
    slack_webhook_url: str | None
    alert_webhook_url: str | None
    alert_webhook_secret: str | None
    """Key of the webhook's signatures; None: one derived from SECRET_KEY."""
    alert_email_warnings: bool
    """Warnings go by e-mail as well."""
    alert_escalation_email: str | None
    """Who is told besides when nobody acknowledged a critical alert in half an hour."""
    alert_spool_dir: str | None
    """Where the monitor keeps alerts while PostgreSQL is away; None: a folder of its own in /var/tmp."""
    deadman_url: str | None
    """Outside address that the monitor calls each cycle, and that tells when it stops."""
    runbook_url: str
    """Page of the runbook; messages add the anchor of their check."""
    release: str | None
    """What is deployed, as the operator names it; None: the version."""
    otel_endpoint: str | None
    """Collector of spans (OTLP over HTTP); None: nothing is traced and nothing loaded for it."""
    monitor_seconds: int
    """Between two looks of the monitor, aligned to the clock."""
    monitor_api_url: str
    """Where the monitor asks the API, as its users do."""
    monitor_disks: tuple[str, ...]
    """Folders whose disks are watched besides the working and the temporary one."""
    audit_checkpoint_dir: str | None
    """Folder where the daily heads of the chains are written besides the database: another machine's disk, at best."""
    audit_retention_years: int
    """Years that entries stay in the table before they may be archived."""
    dian_url: str | None
    """Address of DIAN's service for every company; none is the official one of each company's environment."""
    backup_storage_url: str
    """Where archives go: `file:///folder`, `s3://bucket/prefix`, `gs://…`, `az://…`."""
    backup_storage_options: dict[str, str]
    """Of that store, as obstore names them: endpoint, credentials."""
    backup_prune_options: dict[str, str] | None
    """Credentials that may delete there; None: nothing is deleted but in a folder."""
    backup_key: bytes | None
    """What keys of archives are wrapped under; None: SECRET_KEY."""
    former_backup_keys: tuple[bytes, ...]
    backup_hours: int
    """Between two backups of the platform: what a loss without WAL archive can cost."""
    database_drill_url: str | None
    """A role that may make databases, where a backup is proven by restoring it; None: DATABASE_ADMIN_URL."""
    postgres_programs: str | None
    """Folder of pg_dump and pg_restore; None: the PATH."""
    live_seconds: int
    """How long a stream of live figures lasts before its browser asks again; 0: one event."""
    dian_certificates: Literal["chain", "holder"]
    """Certificates that a signature lists: the holder's with its issuers (rule DC25), or the holder's alone."""
    dian_empty_prefix: Literal["absent", "empty"]
    """How a document says that its range has no prefix."""
    stripe_secret_key: str | None
    """None: this installation charges nobody, and its companies are moved by the operator."""
    stripe_webhook_secrets: tuple[str, ...]
    """More than one while a secret is rotated."""
    stripe_url: str | None
    """Another address than Stripe's own, for development."""
    stripe_tax_rate: str | None
    """Id of the tax rate at Stripe that subscriptions are charged with."""
    billing_grace_days: int
    """Full use after a payment failed."""
    billing_patience_days: int
    """Read-only after that, before the suspension."""
    clock_file: str | None
    """Development only: where the launcher writes the moved clock."""
    dev_control: str | None
    """Development only: the launcher's control socket; its presence adds the `/dev` routes."""


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.errors: list[str] = []

    def optional(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def required(self, name: str, hint: str) -> str:
        if value := self.optional(name):
            return value
        self.errors.append(f"{name} is missing: {hint}")
        return ""

    def url(self, name: str, schemes: tuple[str, ...], hint: str) -> str:
        return self._checked_url(name, self.required(name, hint), schemes)

    def optional_url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        value = self.optional(name)
        return self._checked_url(name, value, schemes) if value else None

    def _checked_url(self, name: str, value: str, schemes: tuple[str, ...]) -> str:
        if value and (urlsplit(value).scheme not in schemes or not urlsplit(value).hostname):
            self.errors.append(f"{name} must be a URL beginning with {' or '.join(s + '://' for s in schemes)}")
        return value

    def key(self, name: str) -> bytes:
        value = self.required(name, "32 random bytes in base64 (openssl rand -base64 32)")
        return self._checked_key(name, value) if value else b""

    def keys(self, name: str) -> tuple[bytes, ...]:
        return tuple(self._checked_key(name, word) for word in self.words(name))

    def _checked_key(self, name: str, value: str) -> bytes:
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != _KEY_BYTES:
            self.errors.append(f"{name} must be base64 of exactly {_KEY_BYTES} bytes")
        elif len(set(raw)) < _KEY_BYTES // 4:
            self.errors.append(f"{name} is not random: make one with openssl rand -base64 32")
        return raw

    def optional_key(self, name: str) -> bytes | None:
        value = self.optional(name)
        return self._checked_key(name, value) if value else None

    def options(self, name: str) -> dict[str, str] | None:
        value = self.optional(name)
        if value is None:
            return None
        try:
            return msgspec.json.decode(value, type=dict[str, str])
        except msgspec.MsgspecError:
            self.errors.append(f"{name} must be a JSON object of texts")
            return {}

    def store(self, name: str) -> str:
        value = self.optional(name) or (Path.cwd() / "respaldos").as_uri()
        parts = urlsplit(value)
        if parts.scheme not in _STORES or not (parts.path if parts.scheme == "file" else parts.netloc):
            self.errors.append(f"{name} must be a URL beginning with {', '.join(f'{one}://' for one in _STORES)}")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.optional(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            self.errors.append(f"{name} must be a whole number from {least} to {most}, not {value!r}")
            return default
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = (self.optional(name) or str(default)).lower()
        if value not in {"true", "false"}:
            self.errors.append(f"{name} must be true or false")
        return value == "true"

    def choice(self, name: str, options: tuple[_Option, ...], default: _Option) -> _Option:
        value = self.optional(name) or default
        for option in options:
            if option == value:
                return option
        self.errors.append(f"{name} must be one of {', '.join(options)}, not {value!r}")
        return default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in (self.optional(name) or "").split(",") if word.strip())


_KEY_BYTES: Final = 32
_POSTGRES: Final = ("postgresql", "postgres")
_REDIS: Final = ("redis", "rediss")
_HTTP: Final = ("http", "https")
_STORES: Final = ("file", "s3", "gs", "az")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment. Raises `SettingsError` naming every bad variable together."""
    env = _Reader(environ)
    environment: Environment = env.choice("ENVIRONMENT", ENVIRONMENTS, "production")
    database_url = env.url("DATABASE_URL", _POSTGRES, "postgresql://mostrador_app:…@host:5432/mostrador")
    public_url = (env.optional_url("PUBLIC_URL", _HTTP) or "http://127.0.0.1:8000").rstrip("/")
    settings = Settings(
        environment=environment,
        database_url=database_url,
        database_platform_url=env.url("DATABASE_PLATFORM_URL", _POSTGRES, "the role mostrador_platform"),
        database_admin_url=env.optional_url("DATABASE_ADMIN_URL", _POSTGRES),
        database_backup_url=env.optional_url("DATABASE_BACKUP_URL", _POSTGRES),
        database_direct_url=env.optional_url("DATABASE_DIRECT_URL", _POSTGRES) or database_url,
        redis_url=env.url("REDIS_URL", _REDIS, "redis://:…@host:6379/0"),
        signing_key=env.key("TOKEN_SIGNING_KEY"),
        secret_key=env.key("SECRET_KEY"),
        former_secret_keys=env.keys("FORMER_SECRET_KEYS"),
        public_url=public_url,
        trusted_proxies=env.words("TRUSTED_PROXIES"),
        cors_origins=env.words("CORS_ORIGINS"),
        metrics_token=env.optional("METRICS_TOKEN"),
        api_workers=env.number("API_WORKERS", 1, 1, 64),
        leave_seconds=env.number("API_LEAVE_SECONDS", 3 if environment == "production" else 0, 0, 8),
        pool_size=env.number("DATABASE_POOL_SIZE", 8, 1, 100),
        lane_size=env.number("DATABASE_LANE_SIZE", 4, 1, 32),
        behind_pooler=env.flag("DATABASE_BEHIND_POOLER", default=False),
        pin=env.choice("DATABASE_PIN", ("set_config", "set_local"), "set_config"),
        rate_per_minute=env.number("RATE_LIMIT_PER_MINUTE", 60_000, 1, 10_000_000),
        rate_burst=env.number("RATE_LIMIT_BURST", 60_000, 1, 10_000_000),
        rate_user_per_minute=env.number("RATE_LIMIT_USER_PER_MINUTE", 30_000, 1, 10_000_000),
        rate_heavy_per_minute=env.number("RATE_LIMIT_HEAVY_PER_MINUTE", 300, 1, 10_000_000),
        signups_per_hour=env.number("SIGNUPS_PER_HOUR", 30, 1, 1_000_000),
        trial_days=env.number("TRIAL_DAYS", 30, 1, 365),
        smtp_host=env.optional("SMTP_HOST"),
        smtp_port=env.number("SMTP_PORT", 587, 1, 65_535),
        smtp_user=env.optional("SMTP_USER"),
        smtp_pass=env.optional("SMTP_PASS"),
        smtp_tls=env.choice("SMTP_TLS", ("none", "starttls", "tls"), "starttls"),
        mail_from=env.optional("MAIL_FROM") or "Mostrador <no-responder@localhost>",
        alerts_enabled=env.flag("ALERTS_ENABLED", default=True),
        alert_email=env.optional("ALERT_EMAIL"),
        slack_webhook_url=env.optional_url("SLACK_WEBHOOK_URL", _HTTP),
        alert_webhook_url=env.optional_url("ALERT_WEBHOOK_URL", _HTTP),
        alert_webhook_secret=env.optional("ALERT_WEBHOOK_SECRET"),
        alert_email_warnings=env.flag("ALERT_EMAIL_WARNINGS", default=False),
        alert_escalation_email=env.optional("ALERT_ESCALATION_EMAIL"),
        alert_spool_dir=env.optional("ALERT_SPOOL_DIR"),
        deadman_url=env.optional_url("DEADMAN_URL", _HTTP),
        runbook_url=env.optional_url("RUNBOOK_URL", _HTTP) or "docs/RUNBOOK_OPERACIONES.md",
        release=env.optional("RELEASE"),
        otel_endpoint=env.optional_url("OTEL_EXPORTER_OTLP_ENDPOINT", _HTTP),
        monitor_seconds=env.number("MONITOR_SECONDS", 300, 1, 3600),
        monitor_api_url=(env.optional_url("MONITOR_API_URL", _HTTP) or public_url).rstrip("/"),
        monitor_disks=env.words("MONITOR_DISKS"),
        audit_checkpoint_dir=env.optional("AUDIT_CHECKPOINT_DIR"),
        audit_retention_years=env.number("AUDIT_RETENTION_YEARS", 10, 1, 100),
        dian_certificates=env.choice("DIAN_CERTIFICATES", ("chain", "holder"), "chain"),
        dian_empty_prefix=env.choice("DIAN_EMPTY_PREFIX", ("absent", "empty"), "absent"),
        dian_url=env.optional_url("DIAN_URL", _HTTP if environment != "production" else ("https",)),
        backup_storage_url=env.store("BACKUP_STORAGE_URL"),
        backup_storage_options=env.options("BACKUP_STORAGE_OPTIONS") or {},
        backup_prune_options=env.options("BACKUP_PRUNE_OPTIONS"),
        backup_key=env.optional_key("BACKUP_KEY"),
        former_backup_keys=env.keys("FORMER_BACKUP_KEYS"),
        backup_hours=env.number("BACKUP_HOURS", 6, 1, 168),
        database_drill_url=env.optional_url("DATABASE_DRILL_URL", _POSTGRES),
        postgres_programs=env.optional("POSTGRES_PROGRAMS"),
        live_seconds=env.number("REPORTS_LIVE_SECONDS", 300, 0, 3600),
        stripe_secret_key=env.optional("STRIPE_SECRET_KEY"),
        stripe_webhook_secrets=env.words("STRIPE_WEBHOOK_SECRET"),
        stripe_url=env.optional_url("STRIPE_URL", _HTTP if environment != "production" else ("https",)),
        stripe_tax_rate=env.optional("STRIPE_TAX_RATE"),
        billing_grace_days=env.number("BILLING_GRACE_DAYS", 7, 1, 60),
        billing_patience_days=env.number("BILLING_PATIENCE_DAYS", 30, 1, 365),
        clock_file=env.optional("MOSTRADOR_CLOCK_FILE"),
        dev_control=env.optional("MOSTRADOR_DEV_CONTROL"),
    )
    if settings.stripe_secret_key and not settings.stripe_webhook_secrets:
        env.errors.append("STRIPE_WEBHOOK_SECRET is missing: without it no payment would ever be heard of")
    if environment == "production":
        for name in ("MOSTRADOR_CLOCK_FILE", "MOSTRADOR_DEV_CONTROL"):
            if env.optional(name):
                env.errors.append(f"{name} belongs to development and may not be set in production")
    if env.errors:
        raise SettingsError("\n".join(env.errors))
    return settings
