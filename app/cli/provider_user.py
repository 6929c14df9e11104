"""`mostrador provider-user`: the operator's first account, and the way back in for who lost theirs.

Whoever may run it holds the machine's secrets already. The password is told once and must be changed at the first login;
in production a second factor must be enrolled before anything else.
"""

import argparse
import asyncio
import os
import sys

from sqlalchemy import select

from app.cli import FAILED
from app.db.provider_trail import COMMAND_LINE, append
from app.db.session import Database
from app.domain.accounts.service import normalise_email
from app.domain.provider.models import ProviderUser
from app.domain.provider.staff import add_staff, reset_staff
from app.domain.provider.staff_schemas import CreateStaff
from app.lib.errors import DomainError
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.lib.schemas import JSON, json_decoder
from app.settings import Settings, read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    try:
        if arguments.reset:
            password = asyncio.run(_reset(settings, arguments.email))
        else:
            wanted = {"email": arguments.email, "name": arguments.name or arguments.email, "role": arguments.role}
            password = asyncio.run(_add(settings, json_decoder(CreateStaff).decode(JSON.encode(wanted))))
    except DomainError as refusal:
        print(f"mostrador provider-user: {refusal.detail}", file=sys.stderr)
        return FAILED
    except ValueError as error:
        print(f"mostrador provider-user: {error}", file=sys.stderr)
        return FAILED
    if password is None:
        print(f"mostrador provider-user: nobody of the staff has the address {arguments.email}", file=sys.stderr)
        return FAILED
    print(f"provider: {arguments.email} {password}")
    return 0


async def _add(settings: Settings, data: CreateStaff) -> str | None:
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    try:
        email = normalise_email(data.email)
        async with database.person_transaction(login_email=email) as work:
            taken = await work.session.scalar(select(ProviderUser.id).where(ProviderUser.email_norm == email))
            if taken is not None:
                raise ValueError(f"somebody of the staff has the address {data.email}; --reset gives a new password")
            made = await add_staff(work, data)
            await append(work, COMMAND_LINE, "staff.created", made.id, after={"role": made.role})
        return made.password
    finally:
        await database.close()
        await redis.aclose()


async def _reset(settings: Settings, address: str) -> str | None:
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    try:
        email = normalise_email(address)
        async with database.person_transaction(login_email=email) as work:
            row = await work.session.scalar(select(ProviderUser).where(ProviderUser.email_norm == email))
            if row is None:
                return None
            await work.pin(user_id=row.id)
            row.is_active = True
            reset = await reset_staff(work, row)
            await append(work, COMMAND_LINE, "staff.reset", row.id)
        return reset.password
    finally:
        await database.close()
        await redis.aclose()
