"""What DIAN would say against a document, said before it is sent."""

from typing import Final

from app.domain.invoicing.kinds import KINDS
from app.domain.invoicing.model import Document, Frozen


class Finding(Frozen, frozen=True, kw_only=True):
    """One rule that the document breaks."""

    code: str
    """DIAN's rule, as `FAU14`."""
    field: str
    """JSON pointer into the document, with the names of the API (camelCase): the place to mend."""
    message: str
    """For the shop, in Spanish: what is wrong and what to do."""
    blocks: bool = True
    """DIAN would reject; otherwise it only notes."""


class Findings:
    """Gathers what is wrong with one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.all: list[Finding] = []
        self._letters: Final = KINDS[document.kind].rules

    def add(self, rule: str, field: str, message: str, *, blocks: bool = True) -> None:
        """Note a rule by its common part, `AU14`: the letters before it are the kind's."""
        self.all.append(Finding(code=self._letters + rule, field=field, message=message, blocks=blocks))

    def add_exactly(self, code: str, field: str, message: str) -> None:
        """Note a rule whose code is the same for every kind."""
        self.all.append(Finding(code=code, field=field, message=message))
