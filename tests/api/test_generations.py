"""Submitting and everything one may do to a generation, as a program sees it."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from accounts import ledger
from generations import lifecycle
from generations.models import Attempt, Generation
from generations.models.generations import State

pytestmark = pytest.mark.django_db
URL = "/api/v1/generations"
BODY = {"model": "mock/video", "params": {"prompt": "a lighthouse at dusk", "duration": 4}}
ROW = {
    *(
        "id",
        "object",
        "status",
        "progress",
        "note",
        "unknown",
        "queue",
        "expected_at",
        "model",
        "provider",
        "operation",
    ),
    *("mode", "params", "inputs", "metadata", "outputs", "cost", "error", "attempts", "retry_of"),
    *("created_at", "started_at", "finished_at"),
}


@pytest.fixture
def client(api, alice, studio_space):
    return api(alice)


def made(client, **more) -> dict:
    reply = client.post(URL, {**BODY, **more})
    assert reply.status_code == 202, reply.content
    return reply.json()


def finish(pk: str, **more) -> None:
    """As if it had ended, without a worker."""
    lifecycle.fail(Generation.objects.get(pk=pk), code="remote_failed", message="It broke.", retryable=True, **more)


def test_a_submit_answers_202_with_the_whole_row(client):
    reply = client.post(URL, {**BODY, "metadata": {"shot": "12a"}})
    row = reply.json()
    assert reply.status_code == 202
    assert reply.headers["Location"] == f"{URL}/{row['id']}"
    assert set(row) == ROW
    assert (row["object"], row["status"], row["model"], row["operation"]) == (
        "generation",
        "queued",
        "mock/video",
        "text_to_video",
    )
    assert row["cost"] == {"unit": "credit", "quoted": "20.000000", "held": "20.000000", "charged": None}
    assert row["queue"] == {"position": 1}
    assert row["metadata"] == {"shot": "12a"}
    assert row["error"] is None and row["retry_of"] is None and row["attempts"] == 0
    assert row["expected_at"] > row["created_at"]


def test_the_detail_is_the_same_row_and_the_wallet_holds_its_price(client):
    row = made(client)
    assert client.get(f"{URL}/{row['id']}").json() == row
    assert client.get("/api/v1/wallet").json() == {
        "unit": "credit",
        "balance": "1000.000000",
        "held": "20.000000",
        "available": "980.000000",
    }


def test_the_same_key_gives_the_same_generation_and_says_so(client):
    first = client.post(URL, BODY, headers={"Idempotency-Key": "k-1"})
    second = client.post(URL, BODY, headers={"Idempotency-Key": "k-1"})
    assert first.json()["id"] == second.json()["id"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.status_code == 202
    assert Generation.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(client):
    client.post(URL, BODY, headers={"Idempotency-Key": "k-1"})
    reply = client.post(URL, {**BODY, "priority": 5}, headers={"Idempotency-Key": "k-1"})
    assert (reply.status_code, reply.json()["code"]) == (409, "idempotency_conflict")


def test_a_key_that_is_no_key_is_refused_by_name(client):
    reply = client.post(URL, BODY, headers={"Idempotency-Key": "x" * 256})
    assert (reply.status_code, list(reply.json()["fields"])) == (422, ["Idempotency-Key"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**BODY, "colour": "red"}, "colour"),
        ({**BODY, "params": {"prompt": "x", "wobble": 1}}, "params.wobble"),
        ({**BODY, "params": {"prompt": "x", "duration": 999}}, "params.duration"),
        ({**BODY, "params": {}}, "params.prompt"),
        ({**BODY, "model": "mock/nothing"}, "model"),
        ({**BODY, "operation": "text_to_soup"}, "operation"),
        ({**BODY, "inputs": [{"role": "first_frame", "asset": "not-an-id"}]}, "inputs.0.asset"),
        ({**BODY, "priority": 1.5}, "priority"),
        ({}, "model"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(client, body, field):
    reply = client.post(URL, body)
    assert reply.status_code == 422
    assert field in reply.json()["fields"]
    assert Generation.objects.count() == 0


def test_without_credits_the_answer_is_402(api, charlie):
    client = api(charlie)
    reply = client.post(URL, {**BODY, "params": {"prompt": "x", "duration": 20, "count": 4}})
    assert reply.status_code == 202
    for _ in range(3):
        reply = client.post(URL, {**BODY, "params": {"prompt": "x", "duration": 20, "count": 4}})
    assert (reply.status_code, reply.json()["code"]) == (402, "insufficient_credits")


def test_a_key_spends_no_more_than_its_budget(api, alice, studio_space):
    client = api(alice, budget_micros=50_000_000)
    assert [client.post(URL, BODY).status_code for _ in range(3)] == [202, 202, 402]
    assert client.post(URL, BODY).json()["code"] == "key_budget"
    assert ledger.wallet(studio_space).held == 40_000_000


def test_what_ended_without_charge_frees_the_budget(api, alice, studio_space):
    client = api(alice, budget_micros=20_000_000)
    row = made(client)
    assert client.post(URL, BODY).status_code == 402
    finish(row["id"])
    assert client.post(f"{URL}/{row['id']}/retry").status_code == 202
    assert client.post(URL, BODY).status_code == 402


def test_prefer_wait_answers_200_when_it_ended_meanwhile(client, monkeypatch):
    monkeypatch.setattr("generations.api.prefer.time.sleep", lambda seconds: finish(str(Generation.objects.get().pk)))
    reply = client.post(URL, BODY, headers={"Prefer": "respond-async, wait=30"})
    assert reply.status_code == 200
    assert reply.headers["Preference-Applied"] == "wait=30"
    assert reply.json()["status"] == "failed"
    assert reply.json()["error"] == {"code": "remote_failed", "message": "It broke.", "retryable": True}


def test_prefer_wait_answers_202_when_time_is_up(client):
    reply = client.post(URL, BODY, headers={"Prefer": "wait=0"})
    assert (reply.status_code, reply.headers["Preference-Applied"]) == (202, "wait=0")


def test_too_many_waiters_are_answered_at_once(client, monkeypatch):
    monkeypatch.setattr("generations.api.prefer.WAITERS.acquire", lambda blocking: False)
    reply = client.post(URL, BODY, headers={"Prefer": "wait=60"})
    assert reply.status_code == 202
    assert "Preference-Applied" not in reply.headers


def test_a_wait_is_at_most_a_minute(client, monkeypatch):
    waited = []
    monkeypatch.setattr("generations.api.prefer.wait", lambda pk, seconds: waited.append(seconds) or True)
    reply = client.post(URL, BODY, headers={"Prefer": "wait=3600"})
    assert waited == [60]
    assert reply.headers["Preference-Applied"] == "wait=60"


def test_pause_resume_and_cancel_of_a_queued_one(client):
    url = f"{URL}/{made(client)['id']}"
    assert client.post(f"{url}/pause").json()["status"] == "paused"
    assert client.post(f"{url}/resume").json()["status"] == "queued"
    assert client.post(f"{url}/cancel").json()["status"] == "cancelled"
    assert client.get("/api/v1/wallet").json()["held"] == "0.000000"


def test_pausing_a_running_one_is_a_conflict(client):
    pk = made(client)["id"]
    Generation.objects.filter(pk=pk).update(status="running", started_at=timezone.now())
    reply = client.post(f"{URL}/{pk}/pause")
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")


def test_a_running_one_shows_progress_and_no_queue(client):
    pk = made(client)["id"]
    row = Generation.objects.get(pk=pk)
    Generation.objects.filter(pk=pk).update(status="running", started_at=timezone.now())
    type(row.step).objects.filter(pk=pk).update(progress=0.4, note="rendering", position=3)
    shown = client.get(f"{URL}/{pk}").json()
    assert (shown["progress"], shown["note"], shown["queue"]) == (0.4, "rendering", None)


def test_an_ended_one_can_be_retried_as_a_new_one(client):
    old = made(client)["id"]
    assert client.post(f"{URL}/{old}/retry").status_code == 409
    finish(old)
    reply = client.post(f"{URL}/{old}/retry")
    assert reply.status_code == 202
    assert reply.json()["retry_of"] == old
    assert reply.json()["id"] != old


def test_delete_hides_an_ended_one_and_refuses_a_live_one(client):
    pk = made(client)["id"]
    assert client.delete(f"{URL}/{pk}").status_code == 409
    finish(pk)
    assert client.delete(f"{URL}/{pk}").status_code == 204
    assert client.get(f"{URL}/{pk}").status_code == 404
    assert client.get(URL).json()["data"] == []
    assert Generation.objects.filter(pk=pk).exists()


def test_a_verb_takes_no_fields(client):
    reply = client.post(f"{URL}/{made(client)['id']}/cancel", {"why": "because"})
    assert (reply.status_code, list(reply.json()["fields"])) == (422, ["why"])


def unknown(pk: str, account=None) -> None:
    row = Generation.objects.get(pk=pk)
    Generation.objects.filter(pk=pk).update(status="submitting", unknown=True)
    Attempt.objects.create(
        generation=row,
        number=1,
        capability=row.capability,
        account=account,
        state=State.UNKNOWN,
        created_at=timezone.now(),
    )


def test_only_staff_may_settle_work_of_a_site_wide_account(api, client, staff):
    pk = made(client)["id"]
    unknown(pk)
    assert client.get(f"{URL}/{pk}").json()["unknown"] is True
    refused = client.post(f"{URL}/{pk}/settle", {"verdict": "never_arrived"})
    assert (refused.status_code, refused.json()["code"]) == (403, "staff_only")
    without = api(staff).post(f"{URL}/{pk}/settle", {"verdict": "never_arrived"})
    assert without.status_code == 404
    settled = api(staff, ("submit", "admin")).post(f"{URL}/{pk}/settle", {"verdict": "never_arrived"})
    assert (settled.status_code, settled.json()["unknown"]) == (200, False)


def test_the_owner_of_the_account_may_settle(client, studio_space):
    from accounts.models import ProviderAccount
    from providers.models import Provider

    own = ProviderAccount.objects.create(
        provider=Provider.objects.get(slug="mock"), workspace=studio_space, label="Ours"
    )
    pk = made(client)["id"]
    unknown(pk, own)
    assert client.post(f"{URL}/{pk}/settle", {}).status_code == 422
    assert client.post(f"{URL}/{pk}/settle", {"verdict": "arrived"}).json()["fields"] == {
        "remote_id": ["Needed with this verdict."]
    }
    reply = client.post(f"{URL}/{pk}/settle", {"verdict": "arrived", "remote_id": "r-1"})
    assert (reply.status_code, reply.json()["status"]) == (200, "running")


def test_filters_narrow_the_list(client):
    film = made(client)["id"]
    image = client.post(URL, {"model": "mock/image", "params": {"prompt": "a red boat"}}).json()["id"]
    finish(image)

    def ids(query: str) -> list[str]:
        reply = client.get(f"{URL}?{query}")
        assert reply.status_code == 200, reply.content
        return [row["id"] for row in reply.json()["data"]]

    assert ids("") == [image, film]
    assert ids("status=queued") == [film]
    assert ids("status=failed,queued") == [image, film]
    assert ids("operation=text_to_image") == [image]
    assert ids("kind=video") == [film]
    assert ids("model=mock/video") == [film]
    assert ids("model=mock/none") == []
    assert ids("q=RED") == [image]
    assert ids("created_after=2100-01-01") == []
    assert ids("created_before=2100-01-01T00:00:00Z") == [image, film]


@pytest.mark.parametrize(
    "query", ["status=happy", "kind=soup", "created_after=yesterday", "limit=0", "limit=201", "limit=x", "q=%00"]
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(client, query):
    reply = client.get(f"{URL}?{query}")
    assert reply.status_code == 422
    assert query.partition("=")[0] in reply.json()["fields"]


def test_pages_hold_everything_once_even_when_rows_share_a_moment(client):
    ids = [made(client)["id"] for _ in range(5)]
    Generation.objects.update(created_at=timezone.now())
    seen, query = [], "limit=2"
    while query:
        page = client.get(f"{URL}?{query}").json()
        seen += [row["id"] for row in page["data"]]
        query = f"limit=2&cursor={page['next']}" if page["next"] else ""
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 5


def test_a_tampered_cursor_is_malformed(client):
    for _ in range(2):
        made(client)
    good = client.get(f"{URL}?limit=1").json()["next"]
    for cursor in (good[:-2] + "xx", "garbage", client.get("/api/v1/assets").json()["next"] or "a:b:c"):
        reply = client.get(f"{URL}?cursor={cursor}")
        assert (reply.status_code, reply.json()["code"]) == (400, "bad_cursor")


def test_a_list_costs_the_same_for_one_row_and_for_many(client, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    made(client)
    client.get(URL)
    with CaptureQueriesContext(connection) as captured:
        client.get(URL)
        queries = len(captured)
    for _ in range(4):
        made(client)
    with django_assert_num_queries(queries):
        assert len(client.get(URL).json()["data"]) == 5
    assert queries <= 8


def test_what_is_not_there_is_404(client):
    assert client.get(f"{URL}/{uuid.uuid4()}").status_code == 404
    assert client.get(f"{URL}/not-an-id").json()["code"] == "not_found"


def test_the_story_is_a_list_oldest_first(client):
    pk = made(client)["id"]
    client.post(f"{URL}/{pk}/cancel")
    page = client.get(f"{URL}/{pk}/events").json()
    assert [row["status"] for row in page["data"]] == ["queued", "cancelled"]
    assert set(page["data"][0]) == {"id", "object", "generation", "kind", "status", "data", "at"}
    assert page["next"] is None


def test_a_quote_is_the_price_and_holds_for_this_request(client):
    quote = client.post("/api/v1/quotes", BODY).json()
    assert (quote["amount"], quote["unit"], quote["lines"]) == (
        "20.000000",
        "credit",
        [{"label": "4 s × 5", "amount": "20.000000"}],
    )
    assert quote["expires_at"].endswith("Z")
    assert made(client, quote=quote["token"])["cost"]["quoted"] == "20.000000"
    other = client.post(URL, {**BODY, "params": {"prompt": "other"}, "quote": quote["token"]})
    assert (other.status_code, other.json()["code"]) == (409, "quote_invalid")
    assert ledger.wallet(client.key.workspace).held == 20_000_000
