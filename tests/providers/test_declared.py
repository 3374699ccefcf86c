from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers import catalogue
from providers.adapter import BaseAdapter
from providers.declared import Declared
from providers.errors import ProviderError
from providers.http.replay import Replay
from providers.http.wire import Site
from providers.mapping import map_params
from providers.templates import address, filled
from providers.types import Accepted, AccountFacts, Done, Handle, Job, Output, Status, Usage

WOBBLY = catalogue.load(Path(__file__).parent / "data" / "wobbly")
ADAPTER = Declared(WOBBLY)
BASE = "https://api.wobbly.example"
SITE = Site(
    name="Wobbly",
    base_url=BASE,
    auth=WOBBLY.http["auth"],
    secrets={"api_key": "k-123456"},
    errors=[rule.row() for rule in WOBBLY.errors],
    retries=0,
)


def job(**words: Any) -> Job:
    params = {"prompt": "x", "duration": 4, **words.pop("params", {})}
    mapped = map_params(WOBBLY.capabilities[0], params, [], "big/wobble-1")
    given = {"operation": "text_to_video", "model": "big/wobble-1", "reference": "r-1", "outputs": ("video",), **words}
    return Job(params=params, mapped=mapped, **given)


HANDLE = Handle(remote_id="j 1", operation="text_to_video", model="big/wobble-1", memo={"poll_url": "/v2/jobs/j1"})


def played(make: Any, *replies: tuple[str, str, Any], pays: bool = False, status: int = 200, sent: Any = None) -> Any:
    """The verb's result when these requests (method, path) get these JSON answers, in this order."""
    asked = {} if sent is None else {"json": sent}
    rows = [
        {"request": {"method": method, "path": path, **asked}, "reply": {"status": status, "json": body}}
        for method, path, body in replies
    ]
    driver = Replay(rows, ordered=True)
    try:
        return driver.call("wobbly.verb", make, SITE, pays_default=pays)
    finally:
        driver.close()


def submitted(body: Any, **rest: Any) -> Any:
    return played(lambda: ADAPTER.submit(job()), ("POST", "/v2/models/big/wobble-1/jobs", body), pays=True, **rest)


def looked(body: Any, handle: Handle = HANDLE) -> Any:
    return played(lambda: ADAPTER.poll(handle), ("GET", "/v2/jobs/j1", body))


def test_a_submit_fills_path_headers_and_body_template() -> None:
    request = next(ADAPTER.submit(job(callback_url=None)))  # type: ignore[call-overload]
    assert (request.method, request.path) == ("POST", "/v2/models/big/wobble-1/jobs")
    assert request.headers == {"Idempotency-Key": "r-1"}
    assert request.json == {"model": "big/wobble-1", "input": job().mapped, "seconds": 4, "tag": "ref r-1"}
    hooked = next(ADAPTER.submit(job(callback_url="https://me.example/c")))  # type: ignore[call-overload]
    assert hooked.json["hook"] == hooked.headers["X-Callback"] == "https://me.example/c"


def test_an_account_may_use_another_version_of_the_api() -> None:
    request = next(ADAPTER.submit(job(account=AccountFacts(api_version="v9"))))  # type: ignore[call-overload]
    assert request.path == "/v9/models/big/wobble-1/jobs"


def test_an_accepted_job_keeps_its_id_state_and_memo() -> None:
    body = {"id": 17, "status": "busy", "urls": {"get": "/v2/jobs/17"}}
    assert submitted(body) == Accepted(remote_id="17", state="running", memo={"poll_url": "/v2/jobs/17"})


def test_a_submit_that_names_no_outputs_is_followed_even_when_done_at_once() -> None:
    assert submitted({"id": "a", "status": "done"}).state == "running"


def test_an_answer_without_id_or_with_an_unknown_word_may_have_cost_money() -> None:
    for body in ({"status": "queued"}, {"id": "a", "status": "sideways"}, {"id": None, "status": "queued"}):
        with pytest.raises(ProviderError) as caught:
            submitted(body)
        assert caught.value.code == "unknown_outcome"


def test_a_refusal_inside_a_good_answer_uses_the_error_table() -> None:
    with pytest.raises(ProviderError) as caught:
        submitted({"error": {"code": "no_money"}})
    assert caught.value.code == "out_of_credits"


def test_a_look_tells_progress_position_and_note() -> None:
    body = {"status": "busy", "progress": 40, "queue": 3, "message": "rendering", "urls": {"get": "ignored"}}
    assert looked(body) == Status(state="running", progress=0.4, position=3, note="rendering")
    assert looked({"status": "busy", "progress": "150"}).progress == 1.0
    assert looked({"status": "busy", "progress": "soon"}).progress is None


def test_a_finished_job_brings_its_outputs_and_usage() -> None:
    body = {
        "status": "done",
        "output": [{"url": "u1"}, {"url": None}, {"url": "u2"}],
        "meta": {"fps": 24},
        "usage": {"seconds": 4.5},
    }
    status = looked(body)
    assert status.outputs == (
        Output(kind="video", url="u1", index=0, facts={"fps": 24}),
        Output(kind="video", url="u2", index=1, facts={"fps": 24}),
    )
    assert status.usage == Usage(seconds=Decimal("4.5"))


def test_a_finished_job_without_outputs_is_a_bad_reply() -> None:
    with pytest.raises(ProviderError) as caught:
        looked({"status": "done", "output": []})
    assert caught.value.code == "bad_reply"


@pytest.mark.parametrize(
    ("body", "state", "code", "message"),
    [
        ({"status": "broken", "error": {"message": "oom", "code": 7}}, "failed", "remote_failed", "Wobbly: oom"),
        ({"status": "broken"}, "failed", "remote_failed", "Wobbly failed and did not say why."),
        ({"status": "moderated"}, "filtered", "content_rejected", "Wobbly failed and did not say why."),
        (
            {"status": "broken", "error": {"code": "nsfw"}},
            "filtered",
            "content_rejected",
            "Wobbly failed and did not say why.",
        ),
    ],
)
def test_a_bad_end_is_a_verdict_with_our_code(body: Any, state: str, code: str, message: str) -> None:
    status = looked(body)
    assert (status.state, status.error.code, status.error.message) == (state, code, message)


def test_status_words_may_be_numbers() -> None:
    assert looked({"status": 5}).state == "cancelled"


def test_a_cancel_is_requested_or_too_late() -> None:
    def cancelled(status: int) -> str:
        return played(lambda: ADAPTER.cancel(HANDLE), ("POST", "/v2/jobs/j%201/cancel", {}), status=status)

    assert [cancelled(status) for status in (200, 202, 404, 409)] == ["requested", "requested", "too_late", "too_late"]


def test_a_lost_job_is_found_by_our_reference_or_was_never_there() -> None:
    def found(body: Any, status: int = 200) -> Any:
        return played(lambda: ADAPTER.find(job()), ("GET", "/v2/jobs?reference=r-1", body), status=status)

    assert found({"data": [{"id": "j9", "status": "busy"}]}) == Accepted(remote_id="j9", state="running")
    assert found({"data": []}) is None
    assert found({}, 404) is None


def test_an_inspection_reads_identity_and_scaled_balances() -> None:
    body = {"id": 8, "email": "a@b.example", "plan": None, "cents": 1250}
    made = played(lambda: ADAPTER.inspect(AccountFacts(), {}, 0.0), ("GET", "/v2/me", body))
    assert (made.ok, made.external_id, made.email, made.plan) == (True, "8", "a@b.example", "")
    assert made.balances == {"usd": Decimal("12.5"), "gold": None}


def test_a_capability_lays_its_own_words_over_an_endpoint() -> None:
    request = next(ADAPTER.submit(job(model="old", operation="wobble_video")))  # type: ignore[call-overload]
    assert (request.path, request.method) == ("/v1/old", "POST")


def with_endpoints(**endpoints: Any) -> Declared:
    from dataclasses import replace

    return Declared(replace(WOBBLY, http={"base_url": BASE, "endpoints": endpoints}))


def test_an_immediate_provider_is_done_at_once() -> None:
    spec = {
        "path": "/now",
        "outputs": [{"b64": "data.*.b64", "mime": "image/png"}, {"text": "revised", "kind": "text"}],
    }
    adapter = with_endpoints(submit={**spec, "usage": {"cost": "cost", "credit_type": "usd", "charged": "billed"}})
    body = {"data": [{"b64": "aGk="}], "revised": "x", "cost": "0.5", "billed": True}
    done = played(lambda: adapter.submit(job(outputs=("image",))), ("POST", "/now", body))
    assert done == Done(
        outputs=(Output(kind="image", b64="aGk=", mime="image/png"), Output(kind="text", text="x", index=1)),
        usage=Usage(cost=Decimal("0.5"), credit_type="usd", charged=True),
    )
    assert next(adapter.submit(job())).spill is True  # type: ignore[call-overload]


def test_results_that_live_elsewhere_take_one_more_request() -> None:
    adapter = with_endpoints(
        poll={"path": "/jobs/{remote_id}", "state": "status", "memo": {"file": "file_id"}},
        result={"path": "/files/{memo.file}", "outputs": {"kind": "video", "url": "url"}},
    )
    looks = [("GET", "/jobs/j%201", {"status": "done", "file_id": "f/1"}), ("GET", "/files/f%2F1", {"url": "u"})]
    status = played(lambda: adapter.poll(HANDLE), *looks)
    assert (status.outputs, status.memo) == ((Output(kind="video", url="u"),), {**HANDLE.memo, "file": "f/1"})


def test_a_verb_that_is_not_declared_is_not_offered() -> None:
    adapter = with_endpoints(submit={"path": "/a", "id": "id"})
    assert adapter.implements("submit")
    assert not adapter.implements("cancel")
    assert adapter.cancel(HANDLE) == "unsupported"
    for make in (lambda: adapter.poll(HANDLE), lambda: adapter.find(job()), lambda: with_endpoints().submit(job())):
        with pytest.raises(ProviderError) as caught:
            make()
        assert caught.value.code == "unsupported"


def test_an_adapter_may_write_only_the_verb_that_needs_code() -> None:
    class Adapter(Declared):
        def cancel(self, handle: Handle) -> str:
            return "too_late"

    adapter = Adapter(with_endpoints(submit={"path": "/a", "id": "id"}).catalogue)
    assert adapter.implements("cancel")
    assert adapter.implements("submit")
    assert isinstance(adapter, BaseAdapter)


def test_addresses_quote_ids_and_keep_the_slashes_of_models() -> None:
    values: Mapping[str, Any] = {"model": "a/b c", "remote_id": "../x?y", "memo": {"u": "https://h.example/a?b=c%2F"}}
    assert address("/m/{model}/{remote_id}", values) == "/m/a/b%20c/..%2Fx%3Fy"
    assert address("{memo.u}", values) == "https://h.example/a?b=c%2F"
    with pytest.raises(ProviderError, match=r"\{memo.v\}"):
        address("/x/{memo.v}", values)


def test_body_templates_keep_types_and_leave_out_what_is_missing() -> None:
    values = {"mapped": {"a": 1, "b": {"c": 2}}, "params": {"n": 0, "f": False}, "model": "m"}
    template = {"$mapped": True, "b": {"d": "{params.n}"}, "gone": "{params.x}", "also": "x {params.x}", "null": None}
    assert filled(template, values) == {"a": 1, "b": {"c": 2, "d": 0}, "null": None}
    assert filled({"l": ["{params.f}", "{params.x}", "m={model}"], "w": "$mapped"}, values)["l"] == [False, "m=m"]
