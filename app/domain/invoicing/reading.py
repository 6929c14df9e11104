"""The numbering that DIAN has for a company, read with GetNumberingRange and written down as it is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select, update

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.former import opened_or_none
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.models import DianCertificate, DianSetting, DocumentRange
from app.domain.invoicing.numbering import add_range, change_range, lock_numbering
from app.domain.invoicing.signer import CannotSign, open_line
from app.domain.invoicing.vault import Vault
from app.domain.tenants.models import Tenant
from app.lib import clock
from app.lib.errors import Conflict, DomainError

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
        await lock_numbering(work)
        added, known, unclear = 0, 0, []
        authorizations = frozenset(each.authorization for each in found)
        for each in found:
            kind = kinds.get(each.prefix) or ("01" if each.technical_key else "")
            if not kind:
                unclear.append(each.prefix or "(sin prefijo)")
            elif await self._is_known(work, environment, each, authorizations, Kind(kind)):
                known += 1
            elif await self._add(work, environment, Kind(kind), each):
                added += 1
            else:
                unclear.append(each.prefix)
        parts = [f"Rangos nuevos: {added}.", f"Ya estaban: {known}."]
        if unclear:
            parts.append(f"Diga para qué son, o revíselos: {', '.join(unclear)}.")
        return " ".join(parts)

    async def _is_known(
        self, work: Work, environment: str, each: "Range", authorizations: frozenset[str], kind: Kind
    ) -> bool:
        """Whether the range is written down; what DIAN says otherwise now is brought up to date.

        One that begins where this one does, under a resolution that DIAN does not know, was typed wrong.
        """
        rows = await work.session.scalars(
            select(DocumentRange)
            .where(
                DocumentRange.tenant_id == work.tenant_id,
                DocumentRange.environment == environment,
                DocumentRange.prefix == each.prefix,
                DocumentRange.first_no == each.first,
                (DocumentRange.authorization_no == each.authorization)
                | ((DocumentRange.kind == kind.value) & DocumentRange.authorization_no.not_in(authorizations)),
            )
            .order_by(
                (DocumentRange.authorization_no == each.authorization).desc(), DocumentRange.retired_at.nulls_first()
            )
            .execution_options(populate_existing=True)
        )
        row = rows.first()
        if row is None:
            return False
        says: dict[str, Any] = {
            "authorization_no": each.authorization,
            "authorized_on": each.authorized_on or row.authorized_on,
            "last_no": each.last,
            "valid_from": each.valid_from,
            "valid_to": each.valid_to,
        }
        before = {name: getattr(row, name) for name, value in says.items() if value != getattr(row, name)}
        changed = {name: says[name] for name in before}
        # A key that does not open any more is another one, too.
        known = opened_or_none(self._vault, work.tenant_id, row.technical_key)
        key = each.technical_key if each.technical_key and known != each.technical_key else None
        if changed or key:
            try:
                async with work.session.begin_nested():
                    await change_range(work, row, self._vault, key, **changed)
            except DomainError as problem:
                _LOG.warning("range not brought up to date", prefix=each.prefix, reason=problem.detail)
                return False
        if changed:
            work.record("dian.range-changed", row.id, before=before, after=changed)
        if key:
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
