"""Who an archive names, and who they are here: people are global, known by their e-mail."""

import secrets
from collections.abc import Sequence

from app.domain.backups.catalogue import Connection
from app.domain.backups.company.reading import Person
from app.lib.passwords import hash_password


async def match_people(connection: Connection, people: Sequence[Person]) -> dict[str, str]:
    """Find or make the account of everybody; answers the ids that are others here.

    Who has no account yet gets one without a usable password: the link for a forgotten one is mailed to who asks for it.
    """
    renamed: dict[str, str] = {}
    for person in people:
        norm = person.email.strip().lower()
        if await connection.fetchval("SELECT 1 FROM app_user WHERE id = $1", person.id):
            continue
        here = await connection.fetchval("SELECT id FROM app_user WHERE email_norm = $1", norm)
        if here is not None:
            renamed[str(person.id)] = str(here)
            continue
        await connection.execute(
            "INSERT INTO app_user (id, email, email_norm, name, password_hash) VALUES ($1, $2, $3, $4, $5)",
            person.id,
            person.email,
            norm,
            person.name,
            await hash_password(secrets.token_urlsafe(32)),
        )
    return renamed
