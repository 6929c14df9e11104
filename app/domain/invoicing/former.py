"""PINs and technical keys that were replaced. What was identified with them is signed and sent with them."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import insert, or_, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.identify import Keys, figures_of, key_of, uuid_of
from app.domain.invoicing.kinds import KINDS
from app.domain.invoicing.model import Document
from app.domain.invoicing.models import DianSetting
from app.domain.invoicing.upkeep_models import DianFormerSecret
from app.domain.invoicing.vault import Vault
from app.lib import clock
from app.lib.sealing import SealBroken


async def keep_former(
    work: Work,
    vault: Vault,
    sealed: bytes | None,
    new: str,
    *,
    software_id: str | None = None,
    range_id: UUID | None = None,
) -> None:
    """Remember the secret of a software or of a range that `new` replaces; not one that does not open any more."""
    earlier = opened_or_none(vault, work.tenant_id, sealed)
    if sealed is None or earlier is None or earlier == new:
        return
    await work.session.execute(
        insert(DianFormerSecret).values(
            tenant_id=work.tenant_id,
            id=uuid7(),
            software_id=software_id,
            range_id=range_id,
            sealed=sealed,
            created_at=clock.now(),
        )
    )


def opened_or_none(vault: Vault, tenant_id: UUID, sealed: bytes | None) -> str | None:
    """A secret; None for none, and for one whose key of the installation is lost."""
    if sealed is None:
        return None
    try:
        return vault.open(tenant_id, sealed)
    except SealBroken:
        return None


async def keys_of_document(
    work: Work, vault: Vault, paper: Document, uuid: str, range_id: UUID, setting: DianSetting, sealed_key: bytes | None
) -> Keys:
    """The secrets that a document of this identity was made with: today's, or those that were replaced meanwhile.

    Today's when none gives its UUID: what is checked before signing then says so. Raises `SealBroken`.
    """
    former = list(
        await work.session.scalars(
            select(DianFormerSecret)
            .where(
                DianFormerSecret.tenant_id == work.tenant_id,
                or_(DianFormerSecret.software_id == paper.software.id, DianFormerSecret.range_id == range_id),
            )
            .order_by(DianFormerSecret.created_at.desc(), DianFormerSecret.id.desc())
        )
    )
    pins = [each.sealed for each in former if each.software_id is not None]
    technical_keys = [each.sealed for each in former if each.range_id is not None]
    if setting.software_pin is not None:
        # A PIN is of its software: another one's only counts when nothing is known of this one.
        pins.insert(0 if setting.software_id == paper.software.id else len(pins), setting.software_pin)
    if sealed_key is not None:
        technical_keys.insert(0, sealed_key)
    own = technical_keys if KINDS[paper.kind].uses_technical_key else pins
    fallback, broken = None, False
    for pin, key in _pairs(pins, technical_keys, by_key=own is technical_keys):
        try:
            keys = Keys(
                pin=vault.open(work.tenant_id, pin) if pin else "",
                technical_key=vault.open(work.tenant_id, key) if key else "",
            )
        except SealBroken:
            broken = True
            continue
        if own and uuid_of(paper.number, figures_of(paper), key_of(paper.kind, keys)) == uuid:
            return keys
        fallback = fallback or keys
    if broken or fallback is None:
        raise SealBroken("a secret of this document does not open")
    return fallback


def _pairs(pins: list[bytes], keys: list[bytes], *, by_key: bool) -> Iterator[tuple[bytes, bytes]]:
    """PIN and technical key to try, the likeliest first: of the two only the one that identifies is looked for."""
    pins, keys = pins or [b""], keys or [b""]
    if by_key:
        yield from ((pins[0], each) for each in keys)
    else:
        yield from ((each, keys[0]) for each in pins)
