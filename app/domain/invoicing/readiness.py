"""What issuing needs and whether it is there, in the words of a shop."""

from datetime import timedelta
from typing import Final

from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.invoicing.figures import missing_uvt
from app.domain.invoicing.former import opened_or_none
from app.domain.invoicing.models import (
    DianCertificate,
    DianCircuit,
    DianSetting,
    DianTestSet,
    DocumentCounter,
    DocumentRange,
)
from app.domain.invoicing.owed import count_owed
from app.domain.invoicing.schemas import ReadinessItem, ReadinessOut
from app.domain.invoicing.vault import CERTIFICATE_AGAIN, KEY_AGAIN, PIN_AGAIN, Vault
from app.domain.tenants.models import Tenant
from app.lib import clock

_CERTIFICATE_WARNING: Final = timedelta(days=60)
UNREADABLE: Final = frozenset({"software-pin-unreadable", "certificate-unreadable", "range-key-unreadable"})
"""What a company that issues already mends one by one, in any order."""
_BOGOTA: Final = "America/Bogota"


class Readiness:
    """Asks the company of the transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def ask(self) -> ReadinessOut:
        """Every item, ready or not."""
        session, tenant_id = self._work.session, self._work.tenant_id
        tenant = (await session.scalars(select(Tenant).where(Tenant.tenant_id == tenant_id))).one()
        setting = (
            await session.scalars(
                select(DianSetting).where(DianSetting.tenant_id == tenant_id).execution_options(populate_existing=True)
            )
        ).one_or_none()
        certificate = (
            await session.scalars(
                select(DianCertificate).where(
                    DianCertificate.tenant_id == tenant_id, DianCertificate.retired_at.is_(None)
                )
            )
        ).one_or_none()
        items = [
            *_company(tenant),
            *_software(setting),
            *_certificate(certificate),
            *await self._secrets(setting, certificate),
            *await self._ranges(setting.environment if setting else "2"),
            *await self._circuit(),
            *await self._test_set(),
            *await self._owed(),
            *await self._figures(),
        ]
        return ReadinessOut(
            is_ready=all(item.is_ready for item in items if item.blocks),
            is_enabled=setting is not None and setting.is_enabled,
            items=items,
        )

    async def _secrets(self, setting: DianSetting | None, certificate: DianCertificate | None) -> list[ReadinessItem]:
        """Whether what is kept opens: with a lost key of the installation it must be written again."""
        tenant_id, vault = self._work.tenant_id, Vault(self._work.database.settings)
        items: list[ReadinessItem] = []
        if setting is not None and setting.software_pin is not None:
            opens = opened_or_none(vault, tenant_id, setting.software_pin) is not None
            items.append(_item("software-pin-unreadable", "software", opens, PIN_AGAIN))
        if certificate is not None and certificate.sealed is not None:
            opens = vault.opens_certificate(tenant_id, certificate.sealed)
            items.append(_item("certificate-unreadable", "certificate", opens, CERTIFICATE_AGAIN))
        rows = await self._work.session.execute(
            select(DocumentRange.prefix, DocumentRange.technical_key).where(
                DocumentRange.tenant_id == tenant_id,
                DocumentRange.environment == (setting.environment if setting else "2"),
                DocumentRange.technical_key.is_not(None),
                DocumentRange.retired_at.is_(None),
            )
        )
        lost = [row.prefix for row in rows if opened_or_none(vault, tenant_id, row.technical_key) is None]
        items.append(_item("range-key-unreadable", "range", not lost, KEY_AGAIN.format(prefix=", ".join(lost))))
        return items

    async def _ranges(self, environment: str) -> list[ReadinessItem]:
        today = clock.business_day(clock.now(), _BOGOTA)
        kinds = set(
            await self._work.session.scalars(
                select(DocumentRange.kind)
                .join(
                    DocumentCounter,
                    and_(
                        DocumentCounter.tenant_id == DocumentRange.tenant_id,
                        DocumentCounter.range_id == DocumentRange.id,
                    ),
                )
                .where(
                    DocumentRange.tenant_id == self._work.tenant_id,
                    DocumentRange.environment == environment,
                    DocumentRange.valid_from <= today,
                    DocumentRange.valid_to >= today,
                    DocumentCounter.is_open,
                    DocumentCounter.next_no <= DocumentCounter.last_no,
                )
            )
        )
        return [
            _item("range-invoice", "range", "01" in kinds, "Falta un rango vigente de factura electrónica."),
            _item(
                "range-pos",
                "range",
                "20" in kinds,
                "Sin un rango de tiquete P.O.S. toda venta expide factura.",
                blocks=False,
            ),
        ]

    async def _test_set(self) -> list[ReadinessItem]:
        is_ready = await has_accepted_test_set(self._work)
        detail = "La DIAN no ha aceptado aquí un set de pruebas: envíelo antes de pasar a producción."
        return [_item("test-set", "habilitation", is_ready, detail, blocks=False)]

    async def _owed(self) -> list[ReadinessItem]:
        count = await count_owed(self._work)
        detail = (
            f"Faltan {count} notas de devoluciones: salen solas cuando se expida otra vez, o al reenviar lo rechazado."
        )
        return [_item("owed-notes", "software", not count, detail, blocks=False)]

    async def _figures(self) -> list[ReadinessItem]:
        year = await missing_uvt(self._work.session, clock.business_day(clock.now(), _BOGOTA))
        detail = f"La UVT de {year} no está escrita: el límite del tiquete P.O.S. se calcula con la anterior. La escribe el proveedor."
        return [_item("uvt", "none", year is None, detail, blocks=False)]

    async def _circuit(self) -> list[ReadinessItem]:
        circuit = (
            await self._work.session.scalars(select(DianCircuit).where(DianCircuit.tenant_id == self._work.tenant_id))
        ).one_or_none()
        away = circuit is not None and circuit.opened_at is not None
        return [
            _item(
                "dian-away",
                "contingency",
                not away,
                "La DIAN no responde: los documentos esperan y salen solos cuando vuelva.",
                blocks=False,
            )
        ]


async def has_accepted_test_set(work: Work) -> bool:
    """Whether DIAN accepted a test set that was sent from here."""
    found = await work.session.scalar(
        select(DianTestSet.id).where(DianTestSet.tenant_id == work.tenant_id, DianTestSet.status == "accepted").limit(1)
    )
    return found is not None


def _company(tenant: Tenant) -> list[ReadinessItem]:
    return [
        _item("company-address", "company", bool(tenant.address.strip()), "Falta la dirección de la empresa."),
        _item(
            "company-email",
            "company",
            bool(tenant.email.strip()),
            "Falta el correo de la empresa: el de recepción registrado en el portal de la DIAN.",
        ),
    ]


def _software(setting: DianSetting | None) -> list[ReadinessItem]:
    return [
        _item(
            "software-id",
            "software",
            setting is not None and bool(setting.software_id),
            "Falta el identificador del software: cópielo del portal de la DIAN.",
        ),
        _item(
            "software-pin",
            "software",
            setting is not None and setting.software_pin is not None,
            "Falta el PIN del software.",
        ),
    ]


def _certificate(certificate: DianCertificate | None) -> list[ReadinessItem]:
    now = clock.now()
    if certificate is None:
        return [_item("certificate", "certificate", False, "Falta el certificado digital (.p12).")]
    return [
        _item(
            "certificate",
            "certificate",
            certificate.not_before <= now <= certificate.not_after,
            f"El certificado venció el {certificate.not_after:%Y-%m-%d}.",
        ),
        _item(
            "certificate-expiry",
            "certificate",
            now + _CERTIFICATE_WARNING < certificate.not_after,
            f"El certificado vence el {certificate.not_after:%Y-%m-%d}: pida el nuevo con tiempo.",
            blocks=False,
        ),
    ]


def _item(code: str, place: str, is_ready: bool, detail: str, *, blocks: bool = True) -> ReadinessItem:
    return ReadinessItem(code=code, detail=detail, place=place, is_ready=is_ready, blocks=blocks)
