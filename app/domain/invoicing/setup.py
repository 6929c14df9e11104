"""How a company issues: its settings and its certificate."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.former import keep_former, opened_or_none
from app.domain.invoicing.models import DianCertificate, DianSetting, DocumentRange
from app.domain.invoicing.numbering import open_note_ranges
from app.domain.invoicing.owed import ask_owed
from app.domain.invoicing.readiness import UNREADABLE, Readiness, has_accepted_test_set
from app.domain.invoicing.schemas import (
    CertificateOut,
    DianSettingsOut,
    EnvironmentName,
    PutCertificate,
    PutDianSettings,
)
from app.domain.invoicing.upkeep_models import DianFormerSecret
from app.domain.invoicing.vault import CertificateFile, Vault
from app.domain.tenants.models import Tenant
from app.domain.tenants.sample import refuse_sample
from app.integrations.dian.certificate import CertificateUnusable, check_credential
from app.integrations.dian.upload import open_upload
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken

ENVIRONMENTS: Final[dict[EnvironmentName, str]] = {"production": "1", "habilitation": "2"}
NAMES: Final[dict[str, EnvironmentName]] = {code: name for name, code in ENVIRONMENTS.items()}

_SAMPLE: Final = "La empresa de muestra no expide documentos a la DIAN."


class NotReady(RuleBroken):
    """Something that issuing needs is missing: the errors say what."""

    code = "dian-not-ready"


class Setup:
    """Settings and certificate of the company of the transaction."""

    def __init__(self, work: Work, vault: Vault) -> None:
        self._work = work
        self._vault = vault

    async def read(self) -> DianSettingsOut:
        """The settings; those of a company that never set anything are as they begin."""
        return await self._out(await self._row())

    async def put(self, data: PutDianSettings, check: Callable[[DianSettingsOut], None]) -> DianSettingsOut:
        """Write the settings. `check` may refuse the version that is being changed.

        Raises `NotReady` when they would enable a company that cannot issue, 422 `sample-company`.
        """
        await refuse_sample(self._work, _SAMPLE)
        tenant_id = self._work.tenant_id
        row = await self._row(lock=True)
        before = await self._out(row)
        check(before)
        if not data.confirm_environment:
            await self._refuse_unconfirmed(before, data)
        values: dict[str, Any] = {
            "environment": ENVIRONMENTS[data.environment],
            "is_enabled": False,
            "sale_document": data.sale_document,
            "software_id": data.software_id.lower(),
            "software_name": data.software_name.strip(),
            "provider_nit": data.provider_nit,
            "maker": data.maker.strip(),
            "maker_person": data.maker_person.strip(),
            "contingency_after": data.contingency_after,
            "updated_at": clock.now(),
        }
        if row is not None:
            await self._keep_pin(row, data)
        if data.software_pin is not None:
            values["software_pin"] = self._vault.seal(tenant_id, data.software_pin)
        await self._work.session.execute(
            insert(DianSetting)
            .values(tenant_id=tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )
        if data.is_enabled:
            await self._enable(values["environment"], was_enabled=before.is_enabled)
            await ask_owed(self._work)
        after = await self._out(await self._row())
        pin_changed = data.software_pin is not None
        if after != before or pin_changed:
            self._work.record(
                "dian.settings-changed",
                tenant_id,
                before=before,
                after={"settings": after, "pinChanged": pin_changed},
            )
        return after

    async def put_certificate(self, data: PutCertificate) -> CertificateOut:
        """Keep a certificate after asking it everything; the key of the earlier one is forgotten.

        Raises `CertificateUnusable`, 422 `sample-company`.
        """
        await refuse_sample(self._work, _SAMPLE)
        tenant_id, now = self._work.tenant_id, clock.now()
        kept, password, credential = await open_upload(_decoded(data.file), data.password)
        tenant = await self._tenant()
        check_credential(credential, tenant.nit, now)
        # One at a time: two would both become the current one.
        await self._work.session.execute(
            select(Tenant.tenant_id).where(Tenant.tenant_id == tenant_id).with_for_update(key_share=True)
        )
        earlier = await self._certificate()
        before = None if earlier is None else certificate_out(earlier)
        await self._work.session.execute(
            update(DianCertificate)
            .where(DianCertificate.tenant_id == tenant_id, DianCertificate.retired_at.is_(None))
            .values(sealed=None, retired_at=now)
            .execution_options(synchronize_session=False)
        )
        row = DianCertificate(
            tenant_id=tenant_id,
            id=uuid7(),
            subject=credential.subject,
            issuer=credential.certificate.issuer.rfc4514_string(),
            serial=str(credential.certificate.serial_number),
            not_before=credential.not_before,
            not_after=credential.not_after,
            is_chain_complete=credential.is_chain_complete,
            sealed=self._vault.seal_certificate(tenant_id, CertificateFile(kept, password)),
            user_id=self._work.actor.user_id,
            created_at=now,
        )
        self._work.session.add(row)
        await self._work.flush()
        answer = certificate_out(row)
        self._work.record("dian.certificate-installed", row.id, before=before, after=answer)
        return answer

    async def _refuse_unconfirmed(self, before: DianSettingsOut, data: PutDianSettings) -> None:
        """Raise 422 when the documents of the next sale would begin, or cease, to be worth something."""
        was_real = before.is_enabled and before.environment == "production"
        if was_real == (data.environment == "production") or not data.is_enabled:
            return
        detail = "La empresa expide en producción: en habilitación sus ventas dejarían de tener validez fiscal."
        if not was_real:
            detail = "Desde la próxima venta los documentos tendrán validez fiscal."
            if not await has_accepted_test_set(self._work):
                detail += " La DIAN todavía no ha aceptado aquí un set de pruebas."
        raise RuleBroken(
            f"{detail} Confirme el ambiente.",
            code="environment-unconfirmed",
            errors=(FieldError("/confirmEnvironment", "environment-unconfirmed", detail),),
        )

    async def _keep_pin(self, row: DianSetting, data: PutDianSettings) -> None:
        """Documents that wait were identified with the earlier PIN, and name the earlier software."""
        earlier = opened_or_none(self._vault, self._work.tenant_id, row.software_pin)
        same_pin = data.software_pin is None or data.software_pin == earlier
        if not row.software_id or (same_pin and data.software_id.lower() == row.software_id):
            return
        await keep_former(self._work, self._vault, row.software_pin, "", software_id=row.software_id)

    async def _enable(self, environment: str, *, was_enabled: bool) -> None:
        tenant_id = self._work.tenant_id
        missing = [
            each
            for each in (await Readiness(self._work).ask()).items
            if each.blocks and not each.is_ready and not (was_enabled and each.code in UNREADABLE)
        ]
        if missing:
            raise NotReady(
                f"Todavía no se puede expedir: {missing[0].detail}",
                errors=tuple(FieldError("/isEnabled", each.code, each.detail) for each in missing),
            )
        await open_note_ranges(self._work, environment)
        await self._work.session.execute(
            update(DianSetting)
            .where(DianSetting.tenant_id == tenant_id)
            .values(is_enabled=True)
            .execution_options(synchronize_session=False)
        )

    async def _row(self, *, lock: bool = False) -> DianSetting | None:
        statement = (
            select(DianSetting)
            .where(DianSetting.tenant_id == self._work.tenant_id)
            .execution_options(populate_existing=True)
        )
        return (await self._work.session.scalars(statement.with_for_update() if lock else statement)).one_or_none()

    async def _certificate(self) -> DianCertificate | None:
        return await current_certificate(self._work)

    async def _tenant(self) -> Tenant:
        return (await self._work.session.scalars(select(Tenant).where(Tenant.tenant_id == self._work.tenant_id))).one()

    async def _out(self, row: DianSetting | None) -> DianSettingsOut:
        found = await self._certificate()
        certificate = None if found is None else certificate_out(found)
        if row is None:
            return DianSettingsOut(
                environment="habilitation",
                is_enabled=False,
                software_id="",
                has_software_pin=False,
                sale_document="auto",
                software_name="Mostrador",
                provider_nit="",
                maker="Mostrador",
                maker_person="Mostrador",
                contingency_after=None,
                certificate=certificate,
            )
        return DianSettingsOut(
            environment=NAMES[row.environment],
            is_enabled=row.is_enabled,
            software_id=row.software_id,
            has_software_pin=row.software_pin is not None,
            sale_document=row.sale_document,
            software_name=row.software_name,
            provider_nit=row.provider_nit,
            maker=row.maker,
            maker_person=row.maker_person,
            contingency_after=row.contingency_after,
            certificate=certificate,
        )


def _decoded(file: str) -> bytes:
    try:
        return base64.b64decode("".join(file.split()), validate=True)
    except ValueError as error:
        raise CertificateUnusable("El archivo no está en base64.") from error


async def current_certificate(work: Work) -> DianCertificate | None:
    """The certificate that signs today."""
    return (
        await work.session.scalars(
            select(DianCertificate).where(
                DianCertificate.tenant_id == work.tenant_id, DianCertificate.retired_at.is_(None)
            )
        )
    ).one_or_none()


async def renew_secrets(work: Work, vault: Vault) -> int:
    """Seal a company's secrets under the installation's current key; answers how many were under a former one."""
    tenant_id, count = work.tenant_id, 0
    for model, column, is_certificate in (
        (DianSetting, DianSetting.software_pin, False),
        (DocumentRange, DocumentRange.technical_key, False),
        (DianCertificate, DianCertificate.sealed, True),
        (DianFormerSecret, DianFormerSecret.sealed, False),
    ):
        keys: list[Any] = [column, *([] if model is DianSetting else [model.__table__.c.id])]
        rows = (
            await work.session.execute(
                select(*keys).where(model.tenant_id == tenant_id, column.is_not(None)).with_for_update()
            )
        ).all()
        for row in rows:
            renewed = vault.renewed(tenant_id, row[0], certificate=is_certificate)
            if renewed is None:
                continue
            same = [model.tenant_id == tenant_id, *([] if len(row) == 1 else [model.__table__.c.id == row[1]])]
            await work.session.execute(
                update(model).where(*same).values({column.key: renewed}).execution_options(synchronize_session=False)
            )
            count += 1
    if count:
        work.record("dian.secrets-renewed", tenant_id, after={"count": count})
    return count


def certificate_out(row: DianCertificate) -> CertificateOut:
    return CertificateOut(
        subject=row.subject,
        issuer=row.issuer,
        serial=row.serial,
        not_before=row.not_before,
        not_after=row.not_after,
        is_chain_complete=row.is_chain_complete,
        days_left=max(0, (row.not_after - clock.now()) // timedelta(days=1)),
        installed_at=row.created_at,
    )


async def setting_of(work: Work) -> DianSetting | None:
    """The company's settings row."""
    return (
        await work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == work.tenant_id))
    ).one_or_none()
