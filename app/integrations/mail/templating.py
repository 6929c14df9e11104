"""The catalogue of messages: one pair of templates each, plain text and HTML, in Spanish.

`templates/NAME.txt` begins with the subject's line and a blank one; `templates/NAME.html` extends `layout.html`. Values are escaped in
the HTML; a template that names a value which was not given fails.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.integrations.mail.sender import Mail

_FOLDER: Final = Path(__file__).with_name("templates")


@cache
def _catalogue() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def write_mail(template: str, to: str, **values: Any) -> Mail:
    """A message of the catalogue, filled in. Raises `jinja2.UndefinedError` for a value that is missing."""
    catalogue = _catalogue()
    subject, _, text = catalogue.get_template(f"{template}.txt").render(values).partition("\n\n")
    # A name may hold what would begin another header line.
    subject = " ".join(subject.split())
    html = catalogue.get_template(f"{template}.html").render(values, subject=subject)
    return Mail(to=to, subject=subject, text=text.strip() + "\n", html=html)
