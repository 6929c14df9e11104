"""The staff's second factor: codes as everybody's (`app.domain.accounts.totp`), kept with the account.

There are no recovery codes: who lost the authenticator is let in again by an administrator of the operator's, or from
the machine (`mostrador provider-user --reset`).
"""

import base64
import secrets
from typing import Final

from sqlalchemy import func, update

from app.db.session import Work
from app.domain.accounts.totp import SECRET_BYTES, STEP, bare_code, step_of, totp_of
from app.domain.provider.models import ProviderUser
from app.domain.provider.staff_schemas import StaffTotpOut
from app.lib import clock
from app.lib.errors import Conflict
from app.lib.sealing import Sealer

ISSUER: Final = "Mostrador operador"
ALREADY: Final = Conflict("El segundo factor ya está activo.", code="totp-enabled")
NOT_BEGUN: Final = Conflict("Primero pida el secreto del segundo factor.", code="totp-not-begun")


def begin_factor(work: Work, user: ProviderUser) -> StaffTotpOut:
    """A new secret; replaces one that was never confirmed. Raises 409 `totp-enabled`."""
    if user.totp_enabled_at is not None:
        raise ALREADY
    secret = secrets.token_bytes(SECRET_BYTES)
    user.totp_sealed, user.totp_last_step = _sealer(work).seal(secret, user.id.bytes), None
    uri = totp_of(secret).get_provisioning_uri(user.email, ISSUER)
    return StaffTotpOut(secret=base64.b32encode(secret).decode(), uri=uri)


async def confirm_factor(work: Work, user: ProviderUser, code: str) -> bool:
    """Enable it with a first code; False for a wrong one. Raises 409 `totp-enabled` or `totp-not-begun`."""
    if user.totp_enabled_at is not None:
        raise ALREADY
    if user.totp_sealed is None:
        raise NOT_BEGUN
    if not await accept_code(work, user, code):
        return False
    user.totp_enabled_at = clock.now()
    return True


async def accept_code(work: Work, user: ProviderUser, code: str) -> bool:
    """Whether this is a current code; each counts once, also for two requests at once."""
    if user.totp_sealed is None:
        return False
    sealer = _sealer(work)
    secret = sealer.open(user.totp_sealed, user.id.bytes)
    step = step_of(secret, bare_code(code), int(clock.now().timestamp()) // STEP)
    if step is None:
        return False
    sealed = user.totp_sealed if sealer.is_current(user.totp_sealed) else sealer.renew(user.totp_sealed, user.id.bytes)
    taken = await work.session.scalar(
        update(ProviderUser)
        .where(
            ProviderUser.id == user.id,
            ProviderUser.totp_sealed == user.totp_sealed,
            func.coalesce(ProviderUser.totp_last_step, -1) < step,
        )
        .values(totp_last_step=step, totp_sealed=sealed)
        .returning(ProviderUser.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def _sealer(work: Work) -> Sealer:
    settings = work.database.settings
    return Sealer(settings.secret_key, "provider totp", settings.former_secret_keys)
