"""How mock jobs run: plan in the id, queue, progress, ends, magic words, callbacks, cancelling, finding."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from providers.adapters.mock.adapter import Adapter
from providers.errors import AuthorError, ProviderError
from providers.types import Accepted, AccountFacts, Callback, Done, Handle, Job, Output

START = 1_000.0


@pytest.fixture
def adapter() -> Adapter:
    return Adapter(SimpleNamespace(name="Mock", statuses={}, credentials=()))


def job(prompt: str = "a fox", *, model: str = "video", operation: str = "text_to_video", **rest) -> Job:
    params = {"prompt": prompt, "duration": 1, "resolution": "360p", **rest.pop("params", {})}
    given = {"reference": "attempt-1", "outputs": ("video",), "created": START, "now": START, **rest}
    return Job(operation=operation, model=model, params=params, **given)


def handle(of: Job, accepted: Accepted, *, after: float = 0.0, scratch: Path | None = None) -> Handle:
    return Handle(
        remote_id=accepted.remote_id,
        operation=of.operation,
        model=of.model,
        params=of.params,
        outputs=of.outputs,
        now=START + after,
        scratch=scratch,
    )


def look(adapter: Adapter, of: Job, after: float):
    return adapter.poll(handle(of, adapter.submit(of), after=after))


def test_the_plan_is_the_same_for_the_same_job_and_fits_a_column(adapter):
    first, again = adapter.submit(job("x " * 2000)), adapter.submit(job("x " * 2000))
    assert first.remote_id == again.remote_id
    assert first.remote_id.startswith("mk1.")
    assert len(first.remote_id) < 600


def test_every_magic_word_together_still_fits_the_column(adapter):
    said = " ".join(
        f"[[{word}]]" for word in ("fail", "filter", "slow 200", "hang", "vanish", "gone", "partial", "bad")
    )
    of = job(said, model="m" * 200, operation="image_to_video", params={"count": 8})
    assert len(adapter.submit(of).remote_id) < 600


def test_another_reference_is_another_job(adapter):
    assert adapter.submit(job()).remote_id != adapter.submit(job(reference="attempt-2")).remote_id


def test_a_job_queues_with_a_falling_position_then_runs_then_succeeds(adapter):
    of = job(model="video-slow")
    looks = [look(adapter, of, after) for after in (0.1, 1.5, 2.9, 4, 8, 11.9, 12)]
    assert [status.state for status in looks] == ["queued"] * 3 + ["running"] * 3 + ["succeeded"]
    assert [status.position for status in looks[:3]] == [3, 2, 1]
    shares = [status.progress for status in looks[3:]]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert all(status.note for status in looks[:-1])


def test_four_seconds_of_video_take_three_and_are_measured(adapter):
    of = job(params={"duration": 4})
    assert look(adapter, of, 2.9).state == "running"
    done = look(adapter, of, 3.0)
    assert (done.state, done.usage.seconds, done.usage.count) == ("succeeded", Decimal(4), 1)
    assert [output.kind for output in done.outputs] == ["video"]


def test_several_are_measured_together(adapter):
    done = look(adapter, job(params={"duration": 4, "count": 3}), 3)
    assert (done.usage.seconds, len(done.outputs)) == (Decimal(12), 3)


def test_fetch_makes_the_file(adapter, tmp_path):
    of = job()
    accepted = adapter.submit(of)
    status = adapter.poll(handle(of, accepted, after=3))
    path = adapter.fetch(handle(of, accepted, scratch=tmp_path), status.outputs[0])
    assert path.parent == tmp_path
    assert path.read_bytes()[4:8] == b"ftyp"


def test_find_gives_what_submit_gave(adapter):
    of = job("a fox [[slow 9]]")
    assert adapter.find(of) == adapter.submit(of)


def test_an_immediate_job_is_found_as_one_that_can_be_fetched(adapter, tmp_path):
    of = job("hello", model="speech", operation="text_to_speech", outputs=("audio",))
    accepted = adapter.find(of)
    output = adapter.poll(handle(of, accepted, after=5)).outputs[0]
    assert adapter.fetch(handle(of, accepted, scratch=tmp_path), output).suffix == ".wav"


@pytest.mark.parametrize(
    ("after", "verdict"), [(0.1, "confirmed"), (1.5, "confirmed"), (2.7, "too_late"), (9, "too_late")]
)
def test_cancelling_is_confirmed_until_late(adapter, after, verdict):
    of = job()
    assert adapter.cancel(handle(of, adapter.submit(of), after=after)) == verdict


def test_cancelling_what_already_failed_is_too_late(adapter):
    of = job("[[fail]]")
    assert adapter.cancel(handle(of, adapter.submit(of), after=2.2)) == "too_late"


def test_an_id_we_never_gave_is_not_found(adapter):
    for remote_id in ("", "mk1.", "mk1.!!!", "task_7", "mk1.eyJhIjoxfQ"):
        with pytest.raises(ProviderError) as caught:
            adapter.poll(Handle(remote_id=remote_id))
        assert caught.value.code == "remote_not_found"


def test_a_missing_scratch_folder_is_our_own_mistake(adapter):
    of = job(model="speech", operation="text_to_speech", outputs=("audio",))
    with pytest.raises(AuthorError, match="scratch"):
        adapter.submit(of)


# -- magic words --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("lost", "unknown_outcome"),
        ("lost-never", "unknown_outcome"),
        ("busy", "busy"),
        ("rate", "rate_limited"),
        ("unauthorized", "auth_failed"),
        ("empty", "out_of_credits"),
    ],
)
@pytest.mark.parametrize(
    ("model", "operation", "kind"), [("video", "text_to_video", "video"), ("image", "text_to_image", "image")]
)
def test_a_word_refuses_the_submit(adapter, tmp_path, word, code, model, operation, kind):
    of = job(f"a fox [[{word}]]", model=model, operation=operation, outputs=(kind,), scratch=tmp_path)
    with pytest.raises(ProviderError) as caught:
        adapter.submit(of)
    assert caught.value.code == code
    assert (caught.value.retry_after == 2.0) is (word in ("busy", "rate"))
    assert caught.value.charged is (None if code == "unknown_outcome" else False)


def test_lost_is_found_and_lost_never_is_not(adapter):
    assert isinstance(adapter.find(job("[[lost]]")), Accepted)
    assert adapter.find(job("[[lost-never]]")) is None


def test_the_forgetful_model_cannot_find(adapter):
    with pytest.raises(ProviderError) as caught:
        adapter.find(job(model="video-lossy"))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("word", ["busy", "rate"])
def test_busy_clears_after_a_while(adapter, word):
    with pytest.raises(ProviderError):
        adapter.submit(job(f"[[{word}]]", now=START + 3.9))
    assert isinstance(adapter.submit(job(f"[[{word}]]", now=START + 4)), Accepted)
    with pytest.raises(ProviderError):
        adapter.submit(job(f"[[{word} 30]]", now=START + 20))


@pytest.mark.parametrize(
    ("word", "state", "code"), [("fail", "failed", "remote_failed"), ("filter", "filtered", "content_rejected")]
)
def test_a_word_ends_the_job_at_sixty_percent(adapter, word, state, code):
    of = job(f"[[{word}]]")
    assert look(adapter, of, 1.9).state == "running"
    ended = look(adapter, of, 2.2)
    assert (ended.state, ended.error.code, ended.error.charged) == (state, code, False)


@pytest.mark.parametrize(("word", "code"), [("fail", "remote_failed"), ("filter", "content_rejected")])
def test_an_immediate_model_fails_in_its_answer(adapter, tmp_path, word, code):
    with pytest.raises(ProviderError) as caught:
        adapter.submit(
            job(f"[[{word}]]", model="image", operation="text_to_image", outputs=("image",), scratch=tmp_path)
        )
    assert caught.value.code == code


def test_slow_takes_its_seconds_whatever_the_model(adapter):
    for model, operation, kind in (("video", "text_to_video", "video"), ("script", "text_to_text", "text")):
        of = job("[[slow 20]] a fox", model=model, operation=operation, outputs=(kind,))
        assert look(adapter, of, 19.9).state == "running"
        assert look(adapter, of, 20).state == "succeeded"


def test_hang_never_ends_and_can_be_cancelled(adapter):
    of = job("[[hang]]")
    assert look(adapter, of, 100_000).state == "running"
    assert adapter.cancel(handle(of, adapter.submit(of), after=100_000)) == "confirmed"


def test_vanish_is_not_found_on_a_look(adapter):
    with pytest.raises(ProviderError) as caught:
        look(adapter, job("[[vanish]]"), 1)
    assert caught.value.code == "remote_not_found"


def fetched(adapter: Adapter, of: Job, index: int, scratch: Path) -> Path:
    accepted = adapter.submit(of)
    output = adapter.poll(handle(of, accepted, after=50)).outputs[index]
    return adapter.fetch(handle(of, accepted, after=50, scratch=scratch), output)


def test_gone_succeeds_but_cannot_be_fetched(adapter, tmp_path):
    with pytest.raises(ProviderError) as caught:
        fetched(adapter, job("[[gone]]"), 0, tmp_path)
    assert caught.value.code == "result_gone"


def test_partial_keeps_only_the_first_of_two(adapter, tmp_path):
    assert fetched(adapter, job("[[partial]]"), 0, tmp_path).stat().st_size > 1000
    with pytest.raises(ProviderError) as caught:
        fetched(adapter, job("[[partial]]"), 1, tmp_path)
    assert caught.value.code == "result_gone"


def test_bad_delivers_a_web_page_named_mp4(adapter, tmp_path):
    path = fetched(adapter, job("[[bad]]"), 0, tmp_path)
    assert path.suffix == ".mp4"
    assert path.read_text().startswith("<!doctype html>")


def test_unknown_words_are_plain_text(adapter):
    assert look(adapter, job("[[dragon]]"), 3).state == "succeeded"


# -- callbacks and accounts ---------------------------------------------------------------------------------------------
def signed(remote_id: str, secret: str, **rest) -> Callback:
    body = json.dumps({"id": remote_id}).encode()
    name = rest.pop("header", "x-mock-signature")
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Callback(method="POST", path="/", query={}, headers={name: signature}, body=body, **rest)


@pytest.mark.parametrize(
    ("secrets", "secret"), [({}, "mock"), ({"token": "s3cret"}, "s3cret"), ({"token": ""}, "mock")]
)
def test_a_signed_callback_is_a_look(adapter, secrets, secret):
    remote_id = adapter.submit(job()).remote_id
    found, status = adapter.receive(signed(remote_id, secret, secrets=secrets, now=START + 3))
    assert (found, status.state) == (remote_id, "succeeded")


def test_a_forged_callback_is_refused(adapter):
    remote_id = adapter.submit(job()).remote_id
    forged = (
        signed(remote_id, "wrong"),
        signed(remote_id, "mock", header="x-other"),
        signed(remote_id, "mock", secrets={"token": "t"}),
    )
    for callback in forged:
        with pytest.raises(ProviderError) as caught:
            adapter.receive(callback)
        assert caught.value.code == "auth_failed"


def test_inspect_echoes_balances_and_has_its_own_to_begin_with(adapter):
    assert adapter.inspect(AccountFacts(), {}, 0).balances == {"studio": Decimal(1000), "web": Decimal(500)}
    found = adapter.inspect(AccountFacts(balances={"studio": Decimal(7)}), {}, 0)
    assert (found.ok, found.concurrency, found.balances["studio"]) == (True, 8, Decimal(7))


def test_discover_gives_rows_of_its_own_each_time(adapter):
    rows = adapter.discover(AccountFacts(), {}, 0)
    rows[0]["label"] = "changed"
    again = adapter.discover(AccountFacts(), {}, 0)
    assert [row["model"] for row in again] == ["image-found", "video-found"]
    assert again[0]["label"] != "changed"


# -- standing in for others ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("operation", "outputs", "params", "endings"),
    [
        ("wobble_video", ("video", "image"), {"input": "a dog", "ratio": "640:360", "seconds": "2s"}, [".mp4", ".png"]),
        ("sing", ("audio",), {"lyrics": "la la", "music_length_ms": 2000}, [".mp3"]),
        ("text_to_image", ("image",), {"prompt": "x", "n": 2, "size": "320x200"}, [".png", ".png"]),
        ("analyse", ("data", "text"), {"query": "what is it"}, [".json", ".md"]),
        ("text_to_3d", (), {"prompt": "a chair"}, [".glb"]),
        ("transcode", ("video", "audio", "image"), {"format": "mp3"}, [".mp3"]),
    ],
)
def test_any_other_provider_gets_all_kinds_it_makes(adapter, tmp_path, operation, outputs, params, endings):
    of = Job(reference="r", operation=operation, model="acme/big-1", params=params, outputs=outputs, scratch=tmp_path)
    answer = adapter.submit(of)
    if isinstance(answer, Done):
        paths = [output.file for output in answer.outputs]
    else:
        at = Handle(
            remote_id=answer.remote_id, operation=operation, model=of.model, params=params, now=99, scratch=tmp_path
        )
        paths = [adapter.fetch(at, output) for output in adapter.poll(at).outputs]
    assert [path.suffix for path in paths] == endings
    assert all(path.stat().st_size for path in paths)


def test_an_output_the_plan_never_named_is_gone(adapter, tmp_path):
    of = job()
    with pytest.raises(ProviderError) as caught:
        adapter.fetch(
            handle(of, adapter.submit(of), scratch=tmp_path), Output(kind="video", url="https://else.example/x")
        )
    assert caught.value.code == "result_gone"
