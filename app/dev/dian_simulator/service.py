"""The operations: one call in, one answer out."""

import re
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography import x509
from lxml import etree
from msgspec import structs

from app.dev.dian_simulator import replies
from app.dev.dian_simulator.authority import Authority
from app.dev.dian_simulator.clock import Clock
from app.dev.dian_simulator.faults import Fault
from app.dev.dian_simulator.reading import Paper, parse
from app.dev.dian_simulator.registry import Registry
from app.dev.dian_simulator.replies import Rule, Verdict
from app.dev.dian_simulator.rules import Known, judge
from app.dev.dian_simulator.rules.court import Valid, message_of
from app.dev.dian_simulator.signature import Trust, certificate_problem, nits_of, signature_problem
from app.dev.dian_simulator.store import Arrival, Batch, Rejected, Store, Stored
from app.dev.dian_simulator.transport import Call, NotSent, Received, unpack, untrusted

_BILLS: Final = frozenset({"Invoice", "CreditNote", "DebitNote"})
_EVENTS: Final = frozenset({"ApplicationResponse"})
_UUID: Final = re.compile(r"[0-9a-fA-F]{96}")
_MOST: Final = 50
_REFERENCE: Final = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:UUID"
_EVENT_REFERENCE: Final = "cac:DocumentResponse/cac:DocumentReference/cbc:UUID"
_WAIT: Final = Verdict(code="", description="Batch en proceso de validación.")
_UNKNOWN: Final = Verdict(code="66", description="TrackId no existe en los registros de la DIAN.")
_IN_PROCESS: Final = Verdict(code="98", description="En Proceso")
_INTERNAL: Final = Verdict(code="500", description="Ha ocurrido un error. Por favor inténtentelo de nuevo.")
_REJECTED: Final = Verdict(
    code="99",
    description="Validación contiene errores en campos mandatorios.",
    message="Documento con errores en campos mandatorios.",
)


class Service:
    """DIAN behind its door; `folder` keeps its keys, its registers and what it received."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.authority = Authority(folder)
        self.registry = Registry.load(folder)
        self.store = Store(folder)
        self.clock = clock
        self._folder = folder
        self.pending_calls = 1
        """How often GetStatusZip says that a batch is not ready."""

    def save_registry(self) -> None:
        """To be called after each change of it."""
        self.registry.save(self._folder)

    def reset(self) -> None:
        """As new; only the keys stay."""
        self.registry = Registry()
        self.save_registry()
        self.store.clear()
        self.pending_calls = 1

    def trust(self) -> Trust:
        own = [self.authority.root, self.authority.subordinate]
        known = [each for pem in self.registry.trusted for each in x509.load_pem_x509_certificates(pem.encode())]
        return Trust([*own, *known], self.registry.revoked)

    def answer(self, call: Call, fault: Fault | None) -> tuple[str, str]:
        """Contract and content of the answer. Raises `SoapFault`."""
        if certificate_problem(call.certificate, self.trust(), self.clock.now()) is not None:
            raise untrusted()
        if fault is not None and fault.kind == "internal":
            return replies.one(_INTERNAL)
        track = call.parameters.get("trackId", "").strip()
        match call.operation:
            case "SendBillSync":
                return self._sync(call, _BILLS, fault)
            case "SendEventUpdateStatus":
                return self._sync(call, _EVENTS, fault)
            case "SendBillAsync" | "SendTestSetAsync":
                return self._async(call)
            case "GetStatus":
                return replies.one(self._status(track, fault))
            case "GetStatusZip":
                return replies.several(self._status_of_zip(track, fault))
            case "GetStatusEvent":
                return replies.one(self._about(track, events=True))
            case "GetReferenceNotes":
                return replies.one(self._about(track, events=False))
            case "GetXmlByDocumentKey":
                stored = self.store.valid(track)
                return replies.stored_xml(stored.xml or None if stored else None, track)
            case "GetNumberingRange":
                return self._ranges(call)
            case "GetExchangeEmails":
                return replies.mails(self.registry.acquirers)
            case "GetAcquirer":
                wanted = call.parameters.get("identificationType"), call.parameters.get("identificationNumber")
                return replies.acquirer(
                    next((each for each in self.registry.acquirers if (each.kind, each.number) == wanted), None)
                )
            case _:
                return replies.one(Verdict(code="89", description="Método no disponible."))

    def numbers_in(self, call: Call) -> list[str]:
        """Numbers of the documents that a call is about, for choosing a fault."""
        track = call.parameters.get("trackId", "").strip()
        if call.operation == "GetStatusZip":
            batch = self.store.batches.get(track)
            files = [xml for _, xml in batch.files] if batch else []
        elif "contentFile" in call.parameters:
            try:
                files = [each.xml for each in unpack(call, _MOST)]
            except NotSent:
                return []
        else:
            stored, rejected = self.store.valid(track), self.store.rejected.get(track.lower())
            return [stored.key[2]] if stored else [rejected.number] if rejected else []
        return [number for xml in files if (number := _number_in(xml))]

    def validate(
        self, received: Received, signers: set[str], fault: Fault | None = None, roots: frozenset[str] = _BILLS
    ) -> Verdict:
        """Decide about one document, and remember what was decided."""
        file = received.stem
        try:
            root = parse(received.xml)
        except etree.XMLSyntaxError:
            return _rejection([_rule("ZB01")], file)
        name = etree.QName(root).localname
        if name not in roots or not schema(name).validate(root):
            return _rejection([_rule("ZB01")], file)
        paper = Paper(root)
        self.store.keep(Arrival(paper.uuid))
        allowed = self._may_sign(paper)
        if not signers & allowed or (fault is not None and fault.kind == "not-authorised"):
            words = (
                f"NIT {' '.join(sorted(signers))} no autorizado a enviar documentos para emisor con NIT {paper.issuer}."
            )
            return Verdict(code="89", description=words)
        problem = signature_problem(Paper(parse(received.xml)), self.trust(), allowed, self.clock.now())
        if problem is not None:
            return self._rejected(paper, [_rule(problem)], file)
        first = self.store.by_key.get(paper.key)
        if first is not None:
            return structs.replace(
                _REJECTED, rules=[_rule("90")], response=first.response, key=first.uuid, file=first.file
            )
        rules = judge(paper, Known(self.registry, self.clock.now(), self._find, self._events_of))
        if fault is not None and fault.kind in {"rule", "notification"}:
            rules.append(_rule(fault.code, rejects=fault.kind == "rule"))
        if any(rule.rejects for rule in rules):
            return self._rejected(paper, rules, file)
        return self._accepted(paper, rules, received)

    def _signers_of(self, nit: str) -> set[str]:
        """The company and every provider of its programs; with or without check digit."""
        nits = {nit, *(each.provider_nit for each in self.registry.software if each.nit == nit and each.provider_nit)}
        return nits | {f"{each}{digit}" for each in nits for digit in "0123456789"}

    def _may_sign(self, paper: Paper) -> set[str]:
        """The issuer, and the provider of its registered software; with or without check digit."""
        nits = {paper.issuer}
        program = self.registry.program(paper.text(".//sts:SoftwareID"), paper.issuer)
        if program is not None and program.provider_nit:
            nits.add(program.provider_nit)
        return nits | {f"{nit}{digit}" for nit in nits for digit in "0123456789"}

    def _find(self, uuid: str) -> Valid | None:
        stored = self.store.valid(uuid)
        if stored is None:
            return None
        invoice = Paper(parse(stored.xml)) if stored.xml else None
        is_credit = invoice is None or invoice.text("cac:PaymentMeans/cbc:ID") == "2"
        return Valid(stored.key[2], stored.key[0], stored.date, stored.kind, is_credit)

    def _events_of(self, uuid: str) -> set[str]:
        return {each.concept for each in self.store.about(uuid) if each.kind == "96"}

    def _accepted(self, paper: Paper, rules: list[Rule], received: Received) -> Verdict:
        response = replies.response_for(paper, rules, self.authority, self.clock.local())
        message = f"El documento {paper.number}, ha sido autorizado."
        self.store.keep(
            Stored(
                key=paper.key,
                uuid=paper.uuid,
                date=paper.text("cbc:IssueDate"),
                kind=paper.kind,
                file=received.stem,
                xml=received.xml,
                response=response,
                reference=paper.text(_EVENT_REFERENCE) if paper.kind == "96" else paper.text(_REFERENCE),
                concept=paper.text("cac:DocumentResponse/cac:Response/cbc:ResponseCode"),
                message=message,
            )
        )
        return Verdict(
            code="00",
            is_valid=True,
            description="Procesado Correctamente.",
            message=message,
            rules=rules,
            response=response,
            key=paper.uuid,
            file=received.stem,
        )

    def _rejected(self, paper: Paper, rules: list[Rule], file: str) -> Verdict:
        response = replies.response_for(paper, rules, self.authority, self.clock.local())
        verdict = _rejection(rules, file, response, paper.uuid)
        if _UUID.fullmatch(paper.uuid) and self.store.valid(paper.uuid) is None:
            self.store.keep(Rejected(uuid=paper.uuid, number=paper.number, verdict=verdict))
        return verdict

    def _sync(self, call: Call, roots: frozenset[str], fault: Fault | None) -> tuple[str, str]:
        try:
            (received,) = unpack(call, 1)
        except NotSent as problem:
            return replies.one(Verdict(code="89", description=str(problem)))
        signers = nits_of(call.certificate)
        if not signers:
            return replies.one(Verdict(code="89", description="NIT de la empresa no informado en el certificado."))
        verdict = self.validate(received, signers, fault, roots)
        return replies.one(_IN_PROCESS if fault is not None and fault.kind == "in-process" else verdict)

    def _async(self, call: Call) -> tuple[str, str]:
        name = call.parameters.get("fileName", "").removesuffix(".zip")
        test_set = call.parameters.get("testSetId", "")
        signers = nits_of(call.certificate)
        if call.operation == "SendTestSetAsync":
            if self.registry.environment == "1":
                return replies.receipt("", "Acción no disponible en producción.", name)
            found = self.registry.test_set(test_set)
            if found is None or not signers & self._signers_of(found.nit):
                return replies.receipt("", f"Set de prueba con identificador {test_set} no existe.", name)
            if found.is_accepted:
                return replies.receipt("", _set_is_accepted(test_set), name)
        try:
            files = [(each.stem, each.xml) for each in unpack(call, _MOST)]
        except NotSent as problem:
            return replies.receipt("", str(problem), name)
        key = str(uuid4())
        self.store.keep(Batch(id=key, files=files, signer=sorted(signers), test_set=test_set))
        return replies.receipt(key)

    def _status(self, track: str, fault: Fault | None) -> Verdict:
        if not track:
            return Verdict(code="89", description="TrackId es nulo o vacío.")
        if not _UUID.fullmatch(track):
            return Verdict(code="89", description="Formato trackId inválido.")
        if fault is not None and fault.kind == "in-process":
            return _IN_PROCESS
        waiting = self._waiting_with(track) if self.store.valid(track) is None else None
        if waiting is not None and not self._decided(waiting, fault):
            return _IN_PROCESS
        if stored := self.store.valid(track):
            return _again(stored)
        rejected = self.store.rejected.get(track.lower())
        return rejected.verdict if rejected else _UNKNOWN

    def _status_of_zip(self, key: str, fault: Fault | None) -> list[Verdict]:
        batch = self.store.batches.get(key)
        if batch is None:
            return [_UNKNOWN]
        return self._decided(batch, fault) or [_WAIT]

    def _waiting_with(self, uuid: str) -> Batch | None:
        """The batch on its way that carries a document."""
        for batch in self.store.batches.values():
            if not batch.verdicts and any(_uuid_in(xml) == uuid.lower() for _, xml in batch.files):
                return batch
        return None

    def _decided(self, batch: Batch, fault: Fault | None) -> list[Verdict]:
        """One question more about a batch: its verdicts, or nothing while it is on its way."""
        batch.asked += 1
        if batch.asked <= self.pending_calls or (fault is not None and fault.kind == "in-process"):
            return []
        if not batch.verdicts:
            batch.verdicts = [self._once(batch, Received(stem, xml), fault) for stem, xml in batch.files]
            self.store.keep(batch)
            self.save_registry()
        return batch.verdicts

    def _once(self, batch: Batch, received: Received, fault: Fault | None) -> Verdict:
        """The verdict about a document of a batch; a valid one counts for its test set."""
        found = self.registry.test_set(batch.test_set)
        if found is not None and found.is_accepted:
            return Verdict(code="2", description=_set_is_accepted(found.id), file=received.stem)
        number = _number_in(received.xml)
        its_own = fault if fault is not None and fault.number in {"", number} else None
        verdict = self.validate(received, set(batch.signer), its_own)
        if found is not None and (stored := self.store.valid(verdict.key)) and verdict.is_valid:
            found.count(stored.kind)
        return verdict

    def _about(self, track: str, *, events: bool) -> Verdict:
        if not _UUID.fullmatch(track):
            return Verdict(code="68", description="El TrackId no es un CUFE.")
        found = [each for each in self.store.about(track) if (each.kind == "96") is events]
        if not found:
            return Verdict(code="67", description="No se encontraron registros.")
        return _again(found[-1])

    def _ranges(self, call: Call) -> tuple[str, str]:
        nit, provider, software = (
            call.parameters.get(name, "") for name in ("accountCode", "accountCodeT", "softwareCode")
        )
        if not nits_of(call.certificate) & self._signers_of(nit):
            return replies.numbering("401", "No autorizado.", [])
        program = self.registry.program(software, nit)
        if program is None or provider != (program.provider_nit or nit):
            return replies.numbering("303", "El software no corresponde al NIT.", [])
        ranges = self.registry.ranges_of(nit)
        if not ranges:
            return replies.numbering("301", "No se encontraron rangos de numeración.", [])
        usable = [each for each in ranges if each.software_id in {"", software}]
        if not usable:
            return replies.numbering("302", "No hay prefijos asociados a este software.", [])
        return replies.numbering("100", "Acción completada OK.", usable)


def _rule(code: str, *, rejects: bool = True) -> Rule:
    return Rule(code, message_of(code), rejects)


def _rejection(rules: list[Rule], file: str, response: bytes | None = None, key: str = "") -> Verdict:
    return structs.replace(_REJECTED, rules=rules, response=response, key=key, file=file)


def _set_is_accepted(identity: str) -> str:
    return f"Set de prueba con identificador {identity} se encuentra Aceptado."


def _number_in(xml: bytes) -> str:
    """The number of a document; nothing for what is none."""
    paper = _paper_in(xml)
    return paper.number if paper else ""


def _uuid_in(xml: bytes) -> str:
    paper = _paper_in(xml)
    return paper.uuid.lower() if paper else ""


def _paper_in(xml: bytes) -> Paper | None:
    try:
        return Paper(parse(xml))
    except etree.XMLSyntaxError:
        return None


def _again(stored: Stored) -> Verdict:
    return Verdict(
        code="00",
        is_valid=True,
        description="Procesado Correctamente.",
        message=stored.message,
        response=stored.response,
        key=stored.uuid,
        file=stored.file,
    )


@cache
def schema(name: str) -> etree.XMLSchema:
    """The official schema of a root."""
    folder = Path(__file__).parent / "xsd" / "maindoc"
    return etree.XMLSchema(etree.parse(str(folder / f"UBL-{name}-2.1.xsd")))
