"""A shop's own alerts: found twice before they count, mailed as people want, quiet when they want, over when they are."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.db.session import Database
from app.domain.alerts.company.engine import look
from app.domain.alerts.company.hours import next_at, quiet_until
from app.domain.alerts.company.kinds import KINDS
from app.lib import clock
from app.lib.jobs import declared
from tests.db.catalogue import Admin
from tests.people import Person, hire
from tests.shop import Shop
from tests.sink import Sink, text_of
from worker.alert_chores import look_at_companies
from worker.pace import Pace
from worker.runner import JobRunner

BOGOTA = ZoneInfo("America/Bogota")
EVERY = timedelta(minutes=5)


class Eye:
    """Looks at a shop, five minutes of the test's time apart."""

    def __init__(self, shop: Shop, database: Database, now: datetime | None = None) -> None:
        self.shop = shop
        self.database = database
        # What is due by the test's time is due by the worker's.
        self.now = now or clock.now() - timedelta(minutes=45)

    async def look(self, times: int = 1, every: timedelta = EVERY) -> None:
        for _ in range(times):
            async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
                await look(work, self.now)
            self.now += every

    async def alerts(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.shop.get("/v1/alerts", **query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def mails(self, alert_id: str) -> list[tuple[str, str]]:
        """What became of each mail about an alert, in order: event, status."""
        answer = await self.shop.get(f"/v1/alerts/{alert_id}")
        assert answer.status_code == 200, answer.text
        return [(mail["event"], mail["status"]) for mail in answer.json()["mails"]]


@pytest.fixture
def eye(shop: Shop, database: Database) -> Eye:
    return Eye(shop, database)


async def sell_out(shop: Shop, session: str, product: dict[str, Any]) -> None:
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    assert sold.status_code == 201, sold.text


async def rule(shop: Shop, kind: str, **body: Any) -> dict[str, Any]:
    answer = await shop.patch(f"/v1/alerts/rules/{kind}", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(who: Shop | Person, path: str, body: Any) -> dict[str, Any]:
    answer = await who.http.put(path, json=body, headers=who.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def post_mail(sink: Sink, database: Database, admin: Admin, shop: Shop) -> None:
    """Let the worker mail what is due."""
    await admin.execute(
        "DELETE FROM outbox WHERE tenant_id = $1 AND status = 'pending' AND kind <> 'alerts.mail'", UUID(shop.tenant_id)
    )
    await sink.deliver(database, admin, shop.tenant_id)


def subjects(sink: Sink, to: str) -> list[str]:
    return [str(mail["Subject"]) for mail in sink.received(to)]


async def test_an_alert_opens_with_the_second_finding_and_ends_with_the_second_good_look(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    session, product = await shop.open_drawer(), await shop.product(stock="1", name="Panela redonda")
    await sell_out(shop, session, product)
    await eye.look()
    assert await eye.alerts() == []
    await eye.look()
    (alert,) = await eye.alerts()
    assert (alert["kind"], alert["severity"], alert["status"]) == ("stock-out", "warning", "open")
    assert alert["items"] == [{"id": product["id"], "name": "Panela redonda", "detail": product["sku"]}]
    assert alert["nextStep"]
    await post_mail(sink, database, admin, shop)
    assert subjects(sink, shop.email) == [f"{shop.tenant['name']}: Hay productos agotados"]
    (mail,) = sink.received(shop.email)
    for kind in ("plain", "html"):
        assert "Panela redonda" in text_of(mail, kind)
        assert alert["nextStep"] in text_of(mail, kind)
    await eye.look(3)
    assert await eye.mails(alert["id"]) == [("opened", "sent")]
    await shop.stock(product["id"], "5")
    await eye.look()
    assert (await eye.alerts(status="open"))[0]["id"] == alert["id"]
    await eye.look()
    assert await eye.alerts(status="open") == []
    (over,) = await eye.alerts(status="resolved", kind="stock-out")
    assert over["id"] == alert["id"]
    await post_mail(sink, database, admin, shop)
    assert subjects(sink, shop.email)[1:] == [f"{shop.tenant['name']}: Resuelto: Hay productos agotados"]
    assert "duró" in text_of(sink.received(shop.email)[1])
    assert await eye.mails(alert["id"]) == [("opened", "sent"), ("resolved", "sent")]
    await eye.look(5)
    await post_mail(sink, database, admin, shop)
    assert len(sink.received(shop.email)) == 2


async def test_each_kind_is_found_where_it_is_wrong_and_not_where_it_is_right(
    shop: Shop, eye: Eye, database: Database, admin: Admin
) -> None:
    session = await shop.open_drawer()
    low = await shop.product(stock="3", minStock="5", name="Arroz")
    await shop.product(stock="9", minStock="5")
    await eye.look(2)
    assert [one["kind"] for one in await eye.alerts()] == ["stock-low"]
    (found,) = await eye.alerts()
    assert found["items"] == [{"id": low["id"], "name": "Arroz", "detail": "Quedan 3; mínimo 5."}]
    await rule(shop, "several-open-registers", isOn=True, thresholds={"most": 1})
    await eye.look(2)
    assert [one["kind"] for one in await eye.alerts()] == ["stock-low"], "one drawer is normal"
    eye.now = clock.now() + timedelta(hours=25)
    await eye.look(2)
    kinds = {one["kind"]: one for one in await eye.alerts()}
    assert kinds.keys() == {"stock-low", "register-open-long"}
    assert kinds["register-open-long"]["items"][0]["id"] == session


async def test_no_open_register_counts_in_opening_hours_of_days_on_which_the_shop_usually_opens(
    shop: Shop, database: Database, admin: Admin
) -> None:
    wednesday = datetime(2026, 11, 25, 10, 0, tzinfo=BOGOTA)
    session = await shop.open_drawer()
    tenant_id = UUID(shop.tenant_id)
    await admin.execute(
        "UPDATE cash_session SET opened_at = $2 WHERE tenant_id = $1", tenant_id, wednesday - timedelta(days=7)
    )
    closed = await shop.post(
        f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": "100000"}]}
    )
    assert closed.status_code == 200, closed.text
    for start, expected in (
        (wednesday.replace(hour=7), []),
        (wednesday.replace(hour=19), []),
        (wednesday + timedelta(days=1), []),
        (wednesday, ["no-open-register"]),
    ):
        eye = Eye(shop, database, start)
        await eye.look(2)
        assert [one["kind"] for one in await eye.alerts()] == expected, start
    await shop.open_drawer()
    eye = Eye(shop, database, wednesday + timedelta(hours=1))
    await eye.look(2)
    assert await eye.alerts(status="open") == []


async def test_no_sales_by_the_usual_hour(shop: Shop, database: Database, admin: Admin) -> None:
    session, product = await shop.open_drawer(), await shop.product()
    wednesday = datetime(2026, 11, 25, 8, 0, tzinfo=BOGOTA)
    for week in range(1, 5):
        await sell_out(shop, session, product)
        await admin.execute(
            "UPDATE sale SET posted_at = $2 WHERE tenant_id = $1 AND posted_at > now() - interval '1 hour'",
            UUID(shop.tenant_id),
            wednesday - timedelta(weeks=week) + timedelta(minutes=week),
        )
    early = Eye(shop, database, wednesday + timedelta(minutes=50))
    await early.look(2)
    kinds = {one["kind"] for one in await early.alerts()}
    assert "no-sales" not in kinds, "the middle one was 8:03, an hour is waited"
    late = Eye(shop, database, wednesday + timedelta(minutes=64))
    await late.look(2)
    (found,) = await late.alerts(kind="no-sales")
    assert "08:0" in found["detail"]
    other_day = Eye(shop, database, wednesday + timedelta(days=1, hours=9))
    await other_day.look(2)
    assert await other_day.alerts(kind="no-sales", status="open") == [], "thursdays have no usual hour"


async def test_ranges_and_certificates_that_end(shop: Shop, eye: Eye, admin: Admin) -> None:
    tenant_id, user_id = UUID(shop.tenant_id), UUID(shop.user["id"])
    range_id, today = uuid4(), eye.now.astimezone(BOGOTA).date()
    await admin.execute(
        "INSERT INTO dian_setting (tenant_id, environment, is_enabled, software_id, software_pin) "
        "VALUES ($1, '1', true, 'x', 'x') ON CONFLICT (tenant_id) DO UPDATE SET environment = '1', is_enabled = true, "
        "software_id = 'x', software_pin = 'x'",
        tenant_id,
    )
    await admin.execute(
        "INSERT INTO document_range (tenant_id, id, kind, environment, authorization_no, prefix, first_no, last_no, "
        "valid_from, valid_to) VALUES ($1, $2, '01', '1', '18760000001', 'SETP', 1, 1000, $3, $4)",
        tenant_id,
        range_id,
        today - timedelta(days=30),
        today + timedelta(days=300),
    )
    await admin.execute(
        "INSERT INTO document_counter (tenant_id, range_id, next_no, last_no) VALUES ($1, $2, 500, 1000)",
        tenant_id,
        range_id,
    )
    await admin.execute(
        "INSERT INTO dian_certificate (tenant_id, id, subject, issuer, serial, not_before, not_after, is_chain_complete, "
        "sealed, user_id) VALUES ($1, $2, 's', 'i', '1', now() - interval '1 year', now() + interval '60 days', true, 'x', $3)",
        tenant_id,
        uuid4(),
        user_id,
    )
    await eye.look(2)
    assert await eye.alerts() == []
    await admin.execute("UPDATE document_counter SET next_no = 950 WHERE tenant_id = $1", tenant_id)
    await admin.execute(
        "UPDATE dian_certificate SET not_after = now() + interval '20 days' WHERE tenant_id = $1", tenant_id
    )
    await eye.look(2)
    found = {one["kind"]: one for one in await eye.alerts()}
    assert found.keys() == {"range-ending", "certificate-ending"}
    assert found["range-ending"]["detail"].startswith("SETP: Quedan 51 números")
    assert {one["severity"] for one in found.values()} == {"warning"}
    await admin.execute("UPDATE document_counter SET next_no = 1001 WHERE tenant_id = $1", tenant_id)
    await admin.execute("UPDATE dian_certificate SET not_after = now() WHERE tenant_id = $1", tenant_id)
    await eye.look()
    assert {one["severity"] for one in await eye.alerts()} == {"critical"}


async def test_what_gets_worse_is_told_again_also_to_whom_it_was_too_little_and_although_attended(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    patient = await hire(shop, database, "admin")
    await put(patient, "/v1/alerts/preferences", {"mails": "now", "severity": "critical"})
    await admin.execute(
        "INSERT INTO dian_setting (tenant_id, environment, is_enabled, software_id, software_pin) "
        "VALUES ($1, '1', true, 'x', 'x') ON CONFLICT (tenant_id) DO UPDATE SET environment = '1', is_enabled = true, "
        "software_id = 'x', software_pin = 'x'",
        UUID(shop.tenant_id),
    )
    await admin.execute(
        "INSERT INTO dian_certificate (tenant_id, id, subject, issuer, serial, not_before, not_after, is_chain_complete, "
        "sealed, user_id) VALUES ($1, $2, 's', 'i', '1', now() - interval '1 year', now() + interval '20 days', true, 'x', $3)",
        UUID(shop.tenant_id),
        uuid4(),
        UUID(shop.user["id"]),
    )
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    (alert,) = await eye.alerts()
    answer = await shop.post(f"/v1/alerts/{alert['id']}/acknowledge", {"note": "Ya lo pedí"})
    assert answer.status_code == 200, answer.text
    assert sink.received(patient.email) == []
    await admin.execute(
        "UPDATE dian_certificate SET not_after = now() + interval '2 days' WHERE tenant_id = $1", UUID(shop.tenant_id)
    )
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    assert len(sink.received(shop.email)) == 2
    assert len(sink.received(patient.email)) == 1


async def test_thresholds_and_severity_are_the_companys(shop: Shop, eye: Eye) -> None:
    session = await shop.open_drawer()
    products = [await shop.product(stock="1") for _ in range(2)]
    await sell_out(shop, session, products[0])
    changed = await rule(shop, "stock-out", severity="critical", thresholds={"products": 2})
    assert changed["thresholds"][0]["value"] == 2
    await eye.look(2)
    assert await eye.alerts() == []
    await sell_out(shop, session, products[1])
    await eye.look(2)
    (alert,) = await eye.alerts()
    assert (alert["severity"], alert["itemCount"]) == ("critical", 2)
    await rule(shop, "stock-out", isOn=False)
    await eye.look()
    (over,) = await eye.alerts()
    assert (over["status"], over["note"]) == ("resolved", "La empresa apagó esta alerta.")
    await rule(shop, "stock-out", isOn=True)
    await eye.look()
    assert len(await eye.alerts()) == 1, "it begins anew: once is no alert"
    await eye.look()
    assert [one["status"] for one in await eye.alerts()] == ["open", "resolved"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("stock-out", {"thresholds": {"days": 3}}, "unknown-threshold"),
        ("stock-out", {"thresholds": {"products": 0}}, "out-of-range"),
        ("no-open-register", {"thresholds": {"fromHour": 20}}, "out-of-range"),
        ("no-open-register", {"thresholds": {"toHour": 25}}, "out-of-range"),
    ],
)
async def test_a_wrong_threshold_is_refused_and_changes_nothing(
    shop: Shop, kind: str, body: dict[str, Any], code: str
) -> None:
    before = (await shop.get(f"/v1/alerts/rules/{kind}")).json()
    answer = await shop.patch(f"/v1/alerts/rules/{kind}", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["code"] == code
    assert (await shop.get(f"/v1/alerts/rules/{kind}")).json() == before
    assert (await shop.patch("/v1/alerts/rules/nada", body)).status_code == 404


async def test_a_rule_that_somebody_changed_meanwhile_is_not_overwritten(shop: Shop) -> None:
    tag = (await shop.get("/v1/alerts/rules/stock-low")).headers["etag"]
    await rule(shop, "stock-low", isOn=False)
    answer = await shop.patch("/v1/alerts/rules/stock-low", {"isOn": True}, **{"If-Match": tag})
    assert answer.status_code == 412


def quiet_now(hours: float = 1) -> dict[str, str]:
    """Quiet hours that hold now and end in a while, as the shop's clocks have it."""
    local = clock.now().astimezone(BOGOTA)
    begin, end = local - timedelta(hours=1), local + timedelta(hours=hours)
    return {"quietFrom": f"{begin:%H:%M}", "quietTo": f"{end:%H:%M}"}


async def test_in_quiet_hours_nobody_is_mailed_and_afterwards_what_is_still_wrong_is(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    await put(shop, "/v1/alerts/settings", quiet_now())
    session = await shop.open_drawer()
    stays, passes = await shop.product(stock="1"), await shop.product(stock="3", minStock="5")
    await put(shop, "/v1/alerts/preferences", {"mails": "now", "severity": "info"})
    await sell_out(shop, session, stays)
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    assert sink.received(shop.email) == []
    found = {one["kind"]: one["id"] for one in await eye.alerts()}
    assert await eye.mails(found["stock-out"]) == [("opened", "pending")]
    await shop.stock(passes["id"], "50")
    await eye.look(2)
    assert await eye.mails(found["stock-low"]) == [("opened", "skipped")], "over before anybody had to know"
    await admin.execute(
        "UPDATE company_alert_mail SET due_at = $2 WHERE tenant_id = $1 AND status = 'pending'",
        UUID(shop.tenant_id),
        eye.now,
    )
    await eye.look()
    await post_mail(sink, database, admin, shop)
    assert subjects(sink, shop.email) == [f"{shop.tenant['name']}: Hay productos agotados"]
    answer = await shop.get(f"/v1/alerts/{found['stock-low']}")
    assert answer.json()["mails"][0]["reason"] == "Se resolvió antes de que fuera hora de avisar."


async def test_people_hear_as_they_prefer_and_the_record_says_why_one_did_not(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    people = {name: await hire(shop, database, "admin") for name in ("none", "muted", "worse", "daily", "info")}
    cashier = await hire(shop, database, "cashier")
    await put(people["none"], "/v1/alerts/preferences", {"mails": "none"})
    await put(people["muted"], "/v1/alerts/preferences", {"mails": "now", "muted": ["stock-out"]})
    await put(people["worse"], "/v1/alerts/preferences", {"mails": "now", "severity": "critical"})
    await put(people["daily"], "/v1/alerts/preferences", {"mails": "daily", "digestAt": "06:30", "severity": "info"})
    await put(people["info"], "/v1/alerts/preferences", {"mails": "now", "severity": "info"})
    session, gone = await shop.open_drawer(), await shop.product(stock="1")
    await shop.product(stock="3", minStock="5")
    await sell_out(shop, session, gone)
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    assert subjects(sink, people["info"].email) == [f"{shop.tenant['name']}: 2 avisos de su tienda"]
    assert subjects(sink, people["muted"].email) == []
    for name in ("none", "worse", "daily"):
        assert sink.received(people[name].email) == [], name
    assert sink.received(cashier.email) == []
    alert = next(one for one in await eye.alerts() if one["kind"] == "stock-out")
    mails = {one["userId"]: one for one in (await shop.get(f"/v1/alerts/{alert['id']}")).json()["mails"]}
    assert cashier.id not in mails
    assert {name: mails[one.id]["status"] for name, one in people.items()} == {
        "none": "skipped",
        "muted": "skipped",
        "worse": "skipped",
        "daily": "pending",
        "info": "sent",
    }
    assert mails[people["none"].id]["reason"] == "Esta persona no quiere correos."
    due = datetime.fromisoformat(mails[people["daily"].id]["dueAt"]).astimezone(BOGOTA)
    assert (due.hour, due.minute) == (6, 30)
    await admin.execute(
        "UPDATE company_alert_mail SET due_at = $2 WHERE tenant_id = $1 AND status = 'pending'",
        UUID(shop.tenant_id),
        eye.now,
    )
    await eye.look()
    await post_mail(sink, database, admin, shop)
    assert subjects(sink, people["daily"].email) == [f"{shop.tenant['name']}: 2 avisos de su tienda"]


async def test_a_mail_server_that_is_away_has_everything_at_the_next_look_once(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    session, gone = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, gone)
    sink.fail("error")
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    (alert,) = await eye.alerts()
    (mail,) = (await shop.get(f"/v1/alerts/{alert['id']}")).json()["mails"]
    assert (mail["status"], mail["attempts"]) == ("pending", 1)
    assert mail["reason"]
    sink.fail(None)
    assert datetime.fromisoformat(mail["dueAt"]) <= clock.now() + timedelta(minutes=4)
    await admin.execute("UPDATE company_alert_mail SET due_at = $2 WHERE tenant_id = $1", UUID(shop.tenant_id), eye.now)
    await eye.look()
    await eye.look()
    # Both looks asked; the second run finds nothing left.
    await post_mail(sink, database, admin, shop)
    assert len(sink.received(shop.email)) == 1
    assert await eye.mails(alert["id"]) == [("opened", "sent")]


async def test_the_mail_of_a_day_outlives_a_mail_server_that_is_away_at_its_hour(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    await put(shop, "/v1/alerts/preferences", {"mails": "daily", "digestAt": "06:30"})
    session, gone = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, gone)
    await eye.look(2)
    due = "UPDATE company_alert_mail SET created_at = now() - interval '25 hours', due_at = $2 WHERE tenant_id = $1"
    await admin.execute(due, UUID(shop.tenant_id), eye.now)
    sink.fail("error")
    await eye.look()
    await post_mail(sink, database, admin, shop)
    (alert,) = await eye.alerts()
    assert await eye.mails(alert["id"]) == [("opened", "pending")]
    sink.fail(None)
    await admin.execute(due, UUID(shop.tenant_id), eye.now)
    await eye.look()
    await post_mail(sink, database, admin, shop)
    assert await eye.mails(alert["id"]) == [("opened", "sent")]


async def test_who_may_no_longer_see_alerts_is_not_mailed_what_waited(
    shop: Shop, eye: Eye, database: Database, admin: Admin, sink: Sink
) -> None:
    person = await hire(shop, database, "admin")
    session, gone = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, gone)
    await eye.look(2)
    await admin.execute(
        "UPDATE membership SET role = 'cashier' WHERE tenant_id = $1 AND user_id = $2",
        UUID(shop.tenant_id),
        UUID(person.id),
    )
    await post_mail(sink, database, admin, shop)
    assert len(sink.received(shop.email)) == 1
    assert sink.received(person.email) == []
    (alert,) = await eye.alerts()
    mails = {one["userId"]: one for one in (await shop.get(f"/v1/alerts/{alert['id']}")).json()["mails"]}
    assert "ya no ve sus alertas" in mails[person.id]["reason"]


async def test_an_attended_alert_is_not_repeated_and_an_unattended_one_daily(
    shop: Shop, eye: Eye, admin: Admin, database: Database, sink: Sink
) -> None:
    session, product = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, product)
    await eye.look(2)
    await post_mail(sink, database, admin, shop)
    (alert,) = [one for one in await eye.alerts() if one["kind"] == "stock-out"]
    eye.now += timedelta(hours=23)
    await eye.look()
    assert await eye.mails(alert["id"]) == [("opened", "sent")]
    eye.now += timedelta(hours=2)
    await eye.look()
    assert await eye.mails(alert["id"]) == [("opened", "sent"), ("repeated", "pending")]
    answer = await shop.post(f"/v1/alerts/{alert['id']}/acknowledge", {"note": "Ya pedí"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["acknowledgedBy"]) == ("acknowledged", shop.user["id"])
    again = await shop.post(f"/v1/alerts/{alert['id']}/acknowledge", {"note": "otra"})
    assert again.json()["note"] == "Ya pedí"
    await admin.execute(
        "UPDATE company_alert_mail SET status = 'sent', finished_at = now() WHERE tenant_id = $1", UUID(shop.tenant_id)
    )
    eye.now += timedelta(days=3)
    await eye.look()
    assert len(await eye.mails(alert["id"])) == 2
    more = await shop.product(stock="1")
    await sell_out(shop, session, more)
    await eye.look()
    assert (await eye.mails(alert["id"]))[2:] == [("repeated", "pending")], "it grew: attended to or not"
    await shop.stock(product["id"], "5")
    await shop.stock(more["id"], "5")
    await eye.look(2)
    refused = await shop.post(f"/v1/alerts/{alert['id']}/acknowledge", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "alert-resolved")


async def test_what_changes_all_the_time_is_told_rarely(shop: Shop, eye: Eye, admin: Admin) -> None:
    session, product = await shop.open_drawer(), await shop.product(stock="1")
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    assert sold.status_code == 201
    minute = timedelta(minutes=1)
    told: Sequence[Any] = ()
    for flip in range(30):
        quantity = 0 if flip % 2 == 0 else 4
        await admin.execute(
            "UPDATE stock SET quantity = $2, value = $2 WHERE tenant_id = $1", UUID(shop.tenant_id), quantity
        )
        await eye.look(2, minute)
        await admin.execute(
            "UPDATE company_alert_mail SET status = 'sent', finished_at = now() WHERE tenant_id = $1 AND status = 'pending'",
            UUID(shop.tenant_id),
        )
    told = await admin.fetch(
        "SELECT event FROM company_alert_mail WHERE tenant_id = $1 AND user_id = $2 AND status = 'sent'",
        UUID(shop.tenant_id),
        UUID(shop.user["id"]),
    )
    assert 1 <= len(told) <= 2, [row["event"] for row in told]
    assert len(await eye.alerts()) == 15, "each stands in the list all the same"


async def test_webhooks_hear_of_alerts_through_the_chain(shop: Shop, eye: Eye, admin: Admin) -> None:
    session, product = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, product)
    await eye.look(2)
    await shop.stock(product["id"], "5")
    await eye.look(2)
    actions = [
        row["action"]
        for row in await admin.fetch(
            "SELECT action FROM audit_entry WHERE tenant_id = $1 AND action LIKE 'alert.%' ORDER BY seq",
            UUID(shop.tenant_id),
        )
    ]
    assert actions == ["alert.opened", "alert.resolved"]
    kinds = {one["name"] for one in (await shop.get("/v1/webhooks/event-types")).json()["items"]}
    assert {"alert.opened", "alert.resolved"} <= kinds


async def test_a_company_has_one_row_of_looks_whatever_happens(
    shop: Shop, other_shop: Shop, database: Database, admin: Admin
) -> None:
    tenant_id = UUID(shop.tenant_id)
    find = "SELECT id, status FROM outbox WHERE tenant_id = $1 AND kind = 'alerts.look'"
    await look_at_companies(database)
    await look_at_companies(database)
    (row,) = await admin.fetch(find, tenant_id)
    assert row["status"] == "pending"
    await JobRunner(database, "short", Pace()).run(tenant_id, row["id"])
    assert await admin.fetchval(find.replace("id, status", "status"), tenant_id) == "done"
    await look_at_companies(database)
    (again,) = await admin.fetch(find, tenant_id)
    assert (again["id"], again["status"]) == (row["id"], "pending")
    await admin.execute("UPDATE outbox SET status = 'dead', finished_at = now() WHERE id = $1", row["id"])
    await look_at_companies(database)
    assert await admin.fetchval(find.replace("id, status", "status"), tenant_id) == "dead", "it is to be seen first"
    assert len(await admin.fetch(find, UUID(other_shop.tenant_id))) == 1
    assert declared()["alerts.look"].queue == "short"
    async with database.platform_transaction() as session:
        await session.execute(text("UPDATE outbox SET status = 'done', finished_at = now() WHERE kind = 'alerts.look'"))


async def test_somebody_limited_to_branches_sees_no_alerts_of_the_whole_company(
    shop: Shop, eye: Eye, database: Database, admin: Admin
) -> None:
    person = await hire(shop, database, "admin")
    branch = (await shop.get("/v1/company")).json()["branches"][0]["id"]
    changed = await shop.patch(f"/v1/members/{person.id}", {"branchIds": [branch]})
    assert changed.status_code == 200, changed.text
    for path in ("/v1/alerts", "/v1/alerts/rules", "/v1/alerts/preferences"):
        answer = await person.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "branch-not-allowed"), path
    session, product = await shop.open_drawer(), await shop.product(stock="1")
    await sell_out(shop, session, product)
    await eye.look(2)
    (alert,) = await eye.alerts()
    mails = (await shop.get(f"/v1/alerts/{alert['id']}")).json()["mails"]
    assert [one["userId"] for one in mails] == [shop.user["id"]]


def test_times_of_day_of_a_shop() -> None:
    night = ("21:00", "06:30")
    at = datetime(2026, 11, 25, 22, 15, tzinfo=BOGOTA)
    assert quiet_until(at, BOGOTA, *night) == datetime(2026, 11, 26, 6, 30, tzinfo=BOGOTA)
    assert quiet_until(at.replace(hour=3), BOGOTA, *night) == datetime(2026, 11, 25, 6, 30, tzinfo=BOGOTA)
    assert quiet_until(at.replace(hour=6, minute=30), BOGOTA, *night) is None
    assert quiet_until(at.replace(hour=20, minute=59), BOGOTA, *night) is None
    assert quiet_until(at.replace(hour=13), BOGOTA, "12:00", "14:00") == at.replace(hour=14, minute=0)
    assert quiet_until(at, BOGOTA, None, None) is None
    assert next_at(at, BOGOTA, "22:15") == at + timedelta(days=1)


def test_every_kind_says_what_it_is_and_has_sane_thresholds() -> None:
    for code, kind in KINDS.items():
        assert kind.title, code
        assert kind.said, code
        assert kind.next_step, code
        for name, one in kind.thresholds.items():
            assert one.least <= one.usual <= one.most, (code, name)
