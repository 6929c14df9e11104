"""Numbering: authorisations of DIAN and the own consecutives of notes, many of each, by branch or till."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.drafts import NUMBER_USED
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.models import DianSetting, Document, DocumentCounter, DocumentRange
from app.domain.invoicing.numbering import (
    BEGINNING,
    FOR_EVER,
    add_range,
    change_range,
    lock_numbering,
    refuse_overlap,
)
from app.domain.invoicing.schemas import (
    ChangeRange,
    CreateRange,
    EnvironmentName,
    ImportOut,
    ImportRanges,
    RangeOut,
    RangePage,
)
from app.domain.invoicing.vault import Vault
from app.domain.tenants.models import Branch, CashRegister
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

BOGOTA: Final = "America/Bogota"
_PACE: Final = timedelta(days=30)
_FEW_DAYS: Final = 15
_FEW_SHARE: Final = Decimal("0.1")
_CENTS: Final = Decimal("0.01")
_NAMES: Final[dict[str, EnvironmentName]] = {"1": "production", "2": "habilitation"}

_COLUMNS: Final = {"authorization": "authorization_no", "first": "first_no", "last": "last_no"}
"""Fields of a change to columns, where they differ."""

BROKEN_CONSTRAINTS["uq_document_range_of_note"] = Conflict(
    "Ya hay una numeración en uso para esa clase de nota: ciérrela antes.", code="range-taken"
)
BROKEN_CONSTRAINTS["uq_document_number"] = NUMBER_USED
BROKEN_CONSTRAINTS["uq_document_range_begins"] = Conflict(
    "Ya existe un rango con ese prefijo y ese comienzo.", code="range-taken"
)
BROKEN_CONSTRAINTS["pk_document_range"] = Conflict("Ya existe otro rango con ese identificador.", code="id-taken")


class Ranges:
    """Numbering of the company of the transaction."""

    def __init__(self, work: Work, vault: Vault) -> None:
        self._work = work
        self._vault = vault

    async def page(self, limit: int, cursor: str | None) -> RangePage:
        """Ranges of the current environment, the newest first, with what became of the last import."""
        setting = await self._setting()
        environment = setting.environment if setting else "2"
        statement = after(
            select(DocumentRange, DocumentCounter)
            .join(
                DocumentCounter,
                and_(
                    DocumentCounter.tenant_id == DocumentRange.tenant_id, DocumentCounter.range_id == DocumentRange.id
                ),
            )
            .where(DocumentRange.tenant_id == self._work.tenant_id, DocumentRange.environment == environment)
            .limit(limit + 1),
            (DocumentRange.created_at, DocumentRange.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows, next_cursor = cut(
            list((await self._work.session.execute(statement)).all()), limit, lambda row: (row[0].created_at, row[0].id)
        )
        paces = await self._paces([row[0].id for row in rows])
        return RangePage(
            items=[_out(one, counter, paces.get(one.id, 0)) for one, counter in rows],
            next_cursor=next_cursor,
            import_asked_at=setting.ranges_asked_at if setting else None,
            import_read_at=setting.ranges_read_at if setting else None,
            import_message=setting.ranges_message if setting else "",
        )

    async def read(self, range_id: UUID) -> RangeOut:
        """One range. Raises `NotFound`, also for another company's."""
        row = (
            await self._work.session.execute(
                select(DocumentRange, DocumentCounter)
                .join(
                    DocumentCounter,
                    and_(
                        DocumentCounter.tenant_id == DocumentRange.tenant_id,
                        DocumentCounter.range_id == DocumentRange.id,
                    ),
                )
                .where(DocumentRange.tenant_id == self._work.tenant_id, DocumentRange.id == range_id)
                .execution_options(populate_existing=True)
            )
        ).one_or_none()
        if row is None:
            raise NotFound("No existe ese rango.")
        paces = await self._paces([range_id])
        return _out(row[0], row[1], paces.get(range_id, 0))

    async def create(self, data: CreateRange) -> tuple[RangeOut, bool]:
        """Write a range down; answers it and whether it is new. Raises 409 `range-taken`, 422 for what makes no sense."""
        body = fingerprint(data)
        if data.id is not None:
            earlier = await self._work.session.get(DocumentRange, (self._work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body:
                    raise BROKEN_CONSTRAINTS["pk_document_range"]
                return await self.read(data.id), False
        kind = Kind(data.kind)
        _check(data, kind)
        await self._check_places(data.branch_id, data.register_id)
        setting = await self._setting()
        environment = setting.environment if setting else "2"
        valid_from, valid_to = data.valid_from or BEGINNING, data.valid_to or FOR_EVER
        range_id = await add_range(
            self._work,
            self._vault,
            kind,
            environment,
            authorization_no=data.authorization,
            authorized_on=data.authorized_on,
            prefix=data.prefix,
            first_no=data.first,
            last_no=data.last,
            valid_from=valid_from,
            valid_to=valid_to,
            technical_key=data.technical_key,
            next_no=data.next,
            id=data.id or uuid7(),
            branch_id=data.branch_id,
            register_id=data.register_id,
            body_hash=body,
        )
        answer = await self.read(range_id)
        self._work.record("dian.range-created", range_id, after=answer)
        return answer, True

    async def change(self, range_id: UUID, data: ChangeRange, check: Callable[[RangeOut], None]) -> RangeOut:
        """Say who uses a range, or close it; a closed one is opened again. `check` may refuse the version being changed."""
        await lock_numbering(self._work)
        before = await self.read(range_id)
        check(before)
        given = {field: value for field, value in msgspec.structs.asdict(data).items() if value is not msgspec.UNSET}
        row = (
            await self._work.session.scalars(
                select(DocumentRange).where(
                    DocumentRange.tenant_id == self._work.tenant_id, DocumentRange.id == range_id
                )
            )
        ).one()
        key, is_open = given.pop("technical_key", None), given.pop("is_open", before.is_open)
        await self._check_places(given.get("branch_id"), given.get("register_id"))
        values = {_COLUMNS.get(field, field): value for field, value in given.items()}
        _check_change(row, values, key)
        if is_open != before.is_open:
            await self._open(row, before, is_open, values.get("last_no", before.last))
            values["retired_at"] = None if is_open else clock.now()
        await change_range(self._work, row, self._vault, key, **values)
        answer = await self.read(range_id)
        if answer != before or key:
            self._work.record(
                "dian.range-changed",
                range_id,
                before=before,
                after={"range": answer, "keyChanged": True} if key else answer,
            )
        return answer

    async def _open(self, row: DocumentRange, before: RangeOut, is_open: bool, last: int) -> None:
        """Open or close the counter. One that opens again must not have lost its numbers to another range."""
        if is_open and before.next <= last:
            await refuse_overlap(self._work, Kind(row.kind), row.environment, row.prefix, before.next, last, but=row.id)
        await self._work.session.execute(
            update(DocumentCounter)
            .where(DocumentCounter.tenant_id == self._work.tenant_id, DocumentCounter.range_id == row.id)
            .values(is_open=is_open)
            .execution_options(synchronize_session=False)
        )

    async def ask_import(self, data: ImportRanges) -> ImportOut:
        """Want the ranges read from DIAN. The job is the worker's."""
        setting = await self._setting()
        if setting is None or not setting.software_id or setting.software_pin is None:
            raise RuleBroken("Primero escriba el identificador y el PIN del software.", code="dian-not-ready")
        now = clock.now()
        await self._work.session.execute(
            update(DianSetting)
            .where(DianSetting.tenant_id == self._work.tenant_id)
            .values(ranges_asked_at=now, ranges_message="")
            .execution_options(synchronize_session=False)
        )
        self._work.ask("invoicing.read-ranges", {"kinds": {each.prefix: each.kind for each in data.kinds}})
        self._work.record("dian.ranges-asked", self._work.tenant_id, after={"at": now})
        return ImportOut(asked_at=now)

    async def _setting(self) -> DianSetting | None:
        return (
            await self._work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == self._work.tenant_id))
        ).one_or_none()

    async def _paces(self, range_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Documents of each range over the last thirty days."""
        rows = await self._work.session.execute(
            select(Document.range_id, func.count())
            .where(
                Document.tenant_id == self._work.tenant_id,
                Document.range_id.in_(range_ids),
                Document.issued_at > clock.now() - _PACE,
            )
            .group_by(Document.range_id)
        )
        return {row[0]: row[1] for row in rows}

    async def _check_places(self, branch_id: UUID | None, register_id: UUID | None) -> None:
        for model, place_id, pointer in ((Branch, branch_id, "/branchId"), (CashRegister, register_id, "/registerId")):
            if place_id is not None and not await self._work.session.scalar(
                select(model.id).where(model.tenant_id == self._work.tenant_id, model.id == place_id)
            ):
                raise unknown_reference(pointer)


def _check(data: CreateRange, kind: Kind) -> None:
    """Raise 422 for a range that makes no sense."""
    if data.first > data.last:
        raise _refuse("/last", "El último número no puede ser menor que el primero.")
    if data.next is not None and not data.first <= data.next <= data.last:
        raise _refuse("/next", "El siguiente número debe estar dentro del rango.")
    if KINDS[kind].is_note:
        if data.authorization:
            raise _refuse("/authorization", "Las notas no llevan resolución de numeración.")
        if not data.prefix:
            raise _refuse("/prefix", "La numeración de las notas necesita un prefijo.")
        return
    if not data.authorization:
        raise _refuse("/authorization", "Falta el número de la resolución.")
    if data.valid_from is None or data.valid_to is None:
        raise _refuse("/validFrom", "Falta la vigencia de la resolución.")
    if data.valid_from > data.valid_to:
        raise _refuse("/validTo", "La vigencia termina antes de comenzar.")
    if KINDS[kind].uses_technical_key and not data.technical_key:
        raise _refuse("/technicalKey", "La numeración de facturas necesita su clave técnica.")


def _check_change(row: DocumentRange, values: dict[str, Any], key: str | None) -> None:
    """Raise 422 for a change that makes no sense."""
    if KINDS[Kind(row.kind)].is_note:
        for column, pointer in (("authorization_no", "/authorization"), ("authorized_on", "/authorizedOn")):
            if values.get(column) is not None:
                raise _refuse(pointer, "Las notas no llevan resolución de numeración.")
    if key and not KINDS[Kind(row.kind)].uses_technical_key:
        raise _refuse("/technicalKey", "Solo la numeración de facturas lleva clave técnica.")
    if values.get("valid_from", row.valid_from) > values.get("valid_to", row.valid_to):
        raise _refuse("/validTo", "La vigencia termina antes de comenzar.")
    if values.get("last_no", row.last_no) < values.get("first_no", row.first_no):
        raise _refuse("/last", "El último número no puede ser menor que el primero.")


def _refuse(pointer: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code="invalid-range", errors=(FieldError(pointer, "invalid-range", detail),))


def _out(one: DocumentRange, counter: DocumentCounter, used: int) -> RangeOut:
    left = max(0, counter.last_no - counter.next_no + 1) if counter.is_open else 0
    today = clock.business_day(clock.now(), BOGOTA)
    per_day = (Decimal(used) / _PACE.days).quantize(_CENTS)
    lasts_until = None
    if used:
        days = min(int(left * _PACE.days / used), (FOR_EVER - today).days)
        lasts_until = min(today + timedelta(days=days), one.valid_to)
    return RangeOut(
        id=one.id,
        kind=one.kind,
        kind_name=KINDS[Kind(one.kind)].name,
        environment=_NAMES[one.environment],
        authorization=one.authorization_no,
        authorized_on=one.authorized_on,
        prefix=one.prefix,
        first=one.first_no,
        last=one.last_no,
        next=counter.next_no,
        left=left,
        valid_from=one.valid_from,
        valid_to=one.valid_to,
        has_technical_key=one.technical_key is not None,
        branch_id=one.branch_id,
        register_id=one.register_id,
        is_open=counter.is_open,
        per_day=per_day,
        lasts_until=lasts_until,
        warnings=_warnings(one, counter, left, today, lasts_until),
    )


def _warnings(
    one: DocumentRange, counter: DocumentCounter, left: int, today: date, lasts_until: date | None
) -> list[str]:
    if not counter.is_open:
        return []
    found: list[str] = []
    if not left:
        found.append("El rango se agotó: pida otro en la DIAN.")
    elif Decimal(left) < _FEW_SHARE * (one.last_no - one.first_no + 1):
        found.append(f"Quedan {left} números.")
    if one.valid_to < today:
        found.append(f"La resolución venció el {one.valid_to}: pida otra en la DIAN.")
    elif (one.valid_to - today).days <= _FEW_DAYS:
        found.append(f"La resolución vence el {one.valid_to}.")
    if left and lasts_until is not None and one.valid_to >= today and (lasts_until - today).days <= _FEW_DAYS:
        found.append(f"Al ritmo de la tienda alcanza hasta el {lasts_until}.")
    return found
