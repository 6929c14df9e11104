"""DIAN's rules over one document: those that its own registers and the document decide."""

from app.dev.dian_simulator.reading import Paper
from app.dev.dian_simulator.replies import Rule
from app.dev.dian_simulator.rules.amounts import judge_lines, judge_totals
from app.dev.dian_simulator.rules.court import Court, Known
from app.dev.dian_simulator.rules.events import judge_event
from app.dev.dian_simulator.rules.fixed import judge_dates, judge_extensions, judge_fixed, judge_identity
from app.dev.dian_simulator.rules.notes import judge_notes, judge_special
from app.dev.dian_simulator.rules.numbering import judge_numbering
from app.dev.dian_simulator.rules.parties import judge_parties

__all__ = ["Known", "judge"]


def judge(paper: Paper, known: Known) -> list[Rule]:
    """Every rule that the document breaks, rejections and notifications."""
    court = Court(paper, known)
    if paper.kind == "96":
        judge_event(court)
        return court.rules
    judge_fixed(court)
    judge_extensions(court)
    judge_numbering(court)
    judge_identity(court)
    judge_dates(court)
    judge_parties(court)
    judge_notes(court)
    judge_special(court)
    judge_lines(court)
    judge_totals(court)
    return court.rules
