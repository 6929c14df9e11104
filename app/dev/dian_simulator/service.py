"""The operations: one call in, one answer out."""

import re
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from cryptography import x509
from lxml import etree

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
from app.dev.dian_simulator.store import Batch, Store, Stored
from app.dev.dian_simulator.transport import Call, NotSent, Received, unpack, untrusted

_ROOTS: Final = frozenset({"Invoice", "CreditNote", "DebitNote", "ApplicationResponse"})
_UUID: Final = re.compile(r"[0-9a-fA-F]{96}")
_MOST: Final = 50
_REFERENCE: Final = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:UUID"
_EVENT_REFERENCE: Final = "cac:DocumentResponse/cac:DocumentReference/cbc:UUID"
_WAIT: Final = Verdict(code="", description="Batch en proceso de validación.")


class Service:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self.authority = Authority(folder)
        self.registry = Registry()
        self.store = Store(folder)
        self.clock = clock
        self.pending_calls = 1
        """How often GetStatusZip says that a batch is not ready."""

    def trust(self) -> Trust:
        own = [self.authority.root, self.authority.subordinate]
        known = [each for pem in self.registry.trusted for each in x509.load_pem_x509_certificates(pem.encode())]
        return Trust([*own, *known], self.registry.revoked)

    def answer(self, call: Call, fault: Fault | None) -> tuple[str, str]:
        """Contract and content of the answer. Raises `SoapFault`."""
        if certificate_problem(call.certificate, self.trust(), self.clock.now()) is not None:
            raise untrusted()
        track = call.parameters.get("trackId", "").strip()
        match call.operation:
            case "SendBillSync" | "SendEventUpdateStatus":
                return self._sync(call, fault)
            case "SendBillAsync" | "SendTestSetAsync":
                return self._async(call)
            case "GetStatus":
                return replies.one(self._status(track, fault))
            case "GetStatusZip":
                return replies.several(self._status_of_zip(track))
            case "GetStatusEvent":
                return replies.one(self._about(track, events=True))
            case "GetReferenceNotes":
                return replies.one(self._about(track, events=False))
            case "GetXmlByDocumentKey":
                stored = self.store.by_uuid.get(track.lower())
                return replies.stored_xml(stored.xml if stored else None, track)
            case "GetNumberingRange":
                return self._ranges(call)
            case "GetAcquirer":
                wanted = call.parameters.get("identificationType"), call.parameters.get("identificationNumber")
                return replies.acquirer(
                    next((each for each in self.registry.acquirers if (each.kind, each.number) == wanted), None)
                )
            case _:
                return replies.one(Verdict(code="89", description="Método no disponible."))

    def numbers_in(self, call: Call) -> list[str]:
        """Numbers of the documents that a call is about, for choosing a fault."""
        if call.operation in {"GetStatus", "GetXmlByDocumentKey"}:
            stored = self.store.by_uuid.get(call.parameters.get("trackId", "").lower())
            return [stored.key[2]] if stored else []
        try:
            return [Paper(parse(each.xml)).number for each in unpack(call, _MOST)]
        except (NotSent, etree.XMLSyntaxError):
            return []

    def validate(self, received: Received, signers: set[str], fault: Fault | None = None) -> Verdict:
        """Decide about one document, and remember it when it is valid."""
        file = received.stem
        try:
            root = parse(received.xml)
        except etree.XMLSyntaxError:
            return self._rejected(None, [Rule("ZB01", message_of("ZB01"), rejects=True)], file)
        name = etree.QName(root).localname
        if name not in _ROOTS or not schema(name).validate(root):
            return self._rejected(None, [Rule("ZB01", message_of("ZB01"), rejects=True)], file)
        paper = Paper(root)
        self.store.sent[paper.uuid] = self.store.sent.get(paper.uuid, 0) + 1
        allowed = self._may_sign(paper)
        if not signers & allowed:
            words = (
                f"NIT {' '.join(sorted(signers))} no autorizado a enviar documentos para emisor con NIT {paper.issuer}."
            )
            return Verdict(code="89", description=words)
        problem = signature_problem(Paper(parse(received.xml)), self.trust(), allowed, self.clock.now())
        if problem is not None:
            return self._rejected(paper, [Rule(problem, message_of(problem), rejects=True)], file)
        first = self.store.by_key.get(paper.key)
        if first is not None:
            return Verdict(
                code="99",
                description="Validación contiene errores en campos mandatorios.",
                message="Documento con errores en campos mandatorios.",
                rules=[Rule("90", message_of("90"), rejects=True)],
                response=first.response,
                key=first.uuid,
                file=first.file,
            )
        rules = judge(paper, Known(self.registry, self.clock.now(), self._find))
        if fault is not None and fault.kind in {"rule", "notification"}:
            rules.append(Rule(fault.code, message_of(fault.code), rejects=fault.kind == "rule"))
        if any(rule.rejects for rule in rules):
            return self._rejected(paper, rules, file)
        return self._accepted(paper, rules, received)

    def _may_sign(self, paper: Paper) -> set[str]:
        """The issuer, and the provider of its registered software; with or without check digit."""
        nits = {paper.issuer}
        program = self.registry.program(paper.text(".//sts:SoftwareID"), paper.issuer)
        if program is not None and program.provider_nit:
            nits.add(program.provider_nit)
        return nits | {f"{nit}{digit}" for nit in nits for digit in "0123456789"}

    def _find(self, uuid: str) -> Valid | None:
        stored = self.store.by_uuid.get(uuid.lower())
        return None if stored is None else Valid(stored.key[2], stored.key[0], stored.date)

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

    def _rejected(self, paper: Paper | None, rules: list[Rule], file: str) -> Verdict:
        return Verdict(
            code="99",
            description="Validación contiene errores en campos mandatorios.",
            message="Documento con errores en campos mandatorios.",
            rules=rules,
            response=None if paper is None else replies.response_for(paper, rules, self.authority, self.clock.local()),
            key="" if paper is None else paper.uuid,
            file=file,
        )

    def _sync(self, call: Call, fault: Fault | None) -> tuple[str, str]:
        try:
            (received,) = unpack(call, 1)
        except NotSent as problem:
            return replies.one(Verdict(code="89", description=str(problem)))
        signers = nits_of(call.certificate)
        if not signers:
            return replies.one(Verdict(code="89", description="NIT de la empresa no informado en el certificado."))
        verdict = self.validate(received, signers, fault)
        if fault is not None and fault.kind == "in-process":
            verdict = Verdict(code="98", description="En Proceso")
        return replies.one(verdict)

    def _async(self, call: Call) -> tuple[str, str]:
        name = call.parameters.get("fileName", "").removesuffix(".zip")
        test_set = call.parameters.get("testSetId", "")
        if call.operation == "SendTestSetAsync":
            if self.registry.environment == "1":
                return replies.receipt("", "Acción no disponible en producción.", name)
            found = next((each for each in self.registry.test_sets if each.id == test_set), None)
            if found is None:
                return replies.receipt("", f"Set de prueba con identificador {test_set} no existe.", name)
            if found.accepted >= found.needed:
                return replies.receipt("", f"Set de prueba con identificador {test_set} se encuentra Aceptado.", name)
        try:
            files = [(each.stem, each.xml) for each in unpack(call, _MOST)]
        except NotSent as problem:
            return replies.receipt("", str(problem), name)
        key = str(uuid4())
        self.store.batches[key] = Batch(files=files, signer=sorted(nits_of(call.certificate)), test_set=test_set)
        return replies.receipt(key)

    def _status(self, track: str, fault: Fault | None) -> Verdict:
        if not track:
            return Verdict(code="89", description="TrackId es nulo o vacío.")
        if not _UUID.fullmatch(track):
            return Verdict(code="89", description="Formato trackId inválido.")
        if fault is not None and fault.kind == "in-process":
            return Verdict(code="98", description="En Proceso")
        stored = self.store.by_uuid.get(track.lower())
        if stored is None:
            return Verdict(code="66", description="TrackId no existe en los registros de la DIAN.")
        return _again(stored)

    def _status_of_zip(self, key: str) -> list[Verdict]:
        batch = self.store.batches.get(key)
        if batch is None:
            return [Verdict(code="66", description="TrackId no existe en los registros de la DIAN.")]
        batch.asked += 1
        if batch.asked <= self.pending_calls:
            return [_WAIT]
        verdicts = [self._once(batch, place, stem, xml) for place, (stem, xml) in enumerate(batch.files)]
        return verdicts or [_WAIT]

    def _once(self, batch: Batch, place: int, stem: str, xml: bytes) -> Verdict:
        """The verdict about a document of a batch: decided at the first question, repeated at the later ones."""
        if place < len(batch.verdicts) and (stored := self.store.by_uuid.get(batch.verdicts[place].lower())):
            return _again(stored)
        verdict = self.validate(Received(stem, xml), set(batch.signer))
        if place == len(batch.verdicts):
            batch.verdicts.append(verdict.key if verdict.is_valid else "")
            for each in self.registry.test_sets:
                if verdict.is_valid and each.id == batch.test_set:
                    each.accepted += 1
        return verdict

    def _about(self, track: str, *, events: bool) -> Verdict:
        if not _UUID.fullmatch(track):
            return Verdict(code="68", description="El TrackId no es un CUFE.")
        found = [each for each in self.store.about(track) if (each.kind == "96") is events]
        if not found:
            return Verdict(code="67", description="No se encontraron registros.")
        return _again(found[-1])

    def _ranges(self, call: Call) -> tuple[str, str]:
        nit, software = call.parameters.get("accountCode", ""), call.parameters.get("softwareCode", "")
        if nit not in {each.removesuffix(each[-1:]) for each in nits_of(call.certificate)} | nits_of(call.certificate):
            return replies.numbering("401", "No autorizado.", [])
        if self.registry.program(software, nit) is None:
            return replies.numbering("303", "El software no corresponde al NIT.", [])
        ranges = self.registry.ranges_of(nit)
        if not ranges:
            return replies.numbering("301", "No se encontraron rangos de numeración.", [])
        usable = [each for each in ranges if each.software_id in {"", software}]
        if not usable:
            return replies.numbering("302", "No hay prefijos asociados a este software.", [])
        return replies.numbering("100", "Acción completada OK.", usable)


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
