"""The numbering that DIAN has for a company, read with GetNumberingRange and written down as it is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import select, update

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.earlier_keys import keep_earlier
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.models import DianCertificate, DianSetting, DocumentRange
from app.domain.invoicing.numbering import add_range
from app.domain.invoicing.signer import CannotSign, open_line
from app.domain.invoicing.vault import Vault
from app.domain.tenants.models import Tenant
from app.lib import clock
from app.lib.errors import Conflict

if TYPE_CHECKING:
    from app.integrations.dian.answers import Range

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")
_PATIENCE: Final = 50.0


class RangeReader:
    """One import."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._vault = Vault(context.settings)

    async def run(self, kinds: Mapping[str, str]) -> None:
        """Ask DIAN and keep what is new. What went wrong is told on the settings, in Spanish."""
        tenant_id = self._context.tenant_id
        async with self._context.transaction() as work:
            setting = (await work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == tenant_id))).one()
            tenant = (await work.session.scalars(select(Tenant).where(Tenant.tenant_id == tenant_id))).one()
            certificate = (
                await work.session.scalars(
                    select(DianCertificate).where(
                        DianCertificate.tenant_id == tenant_id, DianCertificate.retired_at.is_(None)
                    )
                )
            ).one_or_none()
        try:
            line = await open_line(
                self._context.settings,
                self._vault,
                tenant_id,
                certificate,
                tenant.nit,
                setting.environment,
                clock.now(),
            )
        except CannotSign as problem:
            await self._tell(str(problem))
            return
        try:
            got = await line.ranges(tenant.nit, setting.provider_nit or tenant.nit, setting.software_id, _PATIENCE)
        except TimeoutError:
            await self._tell("La DIAN no respondió: intente de nuevo.")
            return
        finally:
            await line.close()
        if got.outcome != "accepted":
            await self._tell(f"La DIAN no entregó la numeración: {got.message}")
            return
        async with self._context.transaction() as work:
            message = await self._keep(work, setting.environment, got.ranges, kinds)
            await _write(work, message)

    async def _keep(self, work: Work, environment: str, found: "Sequence[Range]", kinds: Mapping[str, str]) -> str:
        """Write new ranges down; answers what was done."""
        added, known, unclear = 0, 0, []
        for each in found:
            kind = kinds.get(each.prefix) or ("01" if each.technical_key else "")
            if not kind:
                unclear.append(each.prefix or "(sin prefijo)")
            elif await self._is_known(work, environment, each):
                known += 1
            elif await self._add(work, environment, Kind(kind), each):
                added += 1
            else:
                unclear.append(each.prefix)
        parts = [f"Rangos nuevos: {added}.", f"Ya estaban: {known}."]
        if unclear:
            parts.append(f"Diga para qué son, o revíselos: {', '.join(unclear)}.")
        return " ".join(parts)

    async def _is_known(self, work: Work, environment: str, each: "Range") -> bool:
        """Whether the range is written down; its technical key is brought up to date."""
        row = (
            await work.session.scalars(
                select(DocumentRange).where(
                    DocumentRange.tenant_id == work.tenant_id,
                    DocumentRange.environment == environment,
                    DocumentRange.authorization_no == each.authorization,
                    DocumentRange.prefix == each.prefix,
                    DocumentRange.first_no == each.first,
                )
            )
        ).one_or_none()
        if row is None:
            return False
        known = self._vault.open(work.tenant_id, row.technical_key) if row.technical_key else ""
        if each.technical_key and known != each.technical_key:
            await keep_earlier(work, self._vault, row.technical_key, each.technical_key, row.id)
            await work.session.execute(
                update(DocumentRange)
                .where(DocumentRange.tenant_id == work.tenant_id, DocumentRange.id == row.id)
                .values(technical_key=self._vault.seal(work.tenant_id, each.technical_key))
                .execution_options(synchronize_session=False)
            )
            work.record("dian.range-key-changed", row.id, after={"prefix": row.prefix})
        return True

    async def _add(self, work: Work, environment: str, kind: Kind, each: "Range") -> bool:
        try:
            range_id = await add_range(
                work,
                self._vault,
                kind,
                environment,
                technical_key=each.technical_key or None,
                next_no=None,
                authorization_no=each.authorization,
                authorized_on=each.authorized_on,
                prefix=each.prefix,
                first_no=each.first,
                last_no=each.last,
                valid_from=each.valid_from,
                valid_to=each.valid_to,
                branch_id=None,
                register_id=None,
            )
        except Conflict:
            return False
        work.record(
            "dian.range-imported",
            range_id,
            after={
                "kind": kind.value,
                "authorization": each.authorization,
                "prefix": each.prefix,
                "first": each.first,
                "last": each.last,
                "validFrom": each.valid_from,
                "validTo": each.valid_to,
            },
        )
        return True

    async def _tell(self, message: str) -> None:
        async with self._context.transaction() as work:
            await _write(work, message)
        _LOG.warning("ranges not read", reason=message)


async def _write(work: Work, message: str) -> None:
    await work.session.execute(
        update(DianSetting)
        .where(DianSetting.tenant_id == work.tenant_id)
        .values(ranges_read_at=clock.now(), ranges_message=message)
        .execution_options(synchronize_session=False)
    )
