"""From "the provider is done" to kept files and a settled wallet; every step may be run twice."""

from __future__ import annotations

import pytest
from scripted import CREDIT, Killed, fresh, last, later, oops, open_house, png, text, url

from generations import assets, finishing, inbox, lifecycle
from generations.models import Asset, Step
from providers.types import Accepted, Done, Output, Status, Usage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def done(house, *outputs, usage=None, **more):
    """A generation whose provider is done, its results not yet fetched."""
    generation = house.make(**more)
    house.adapter.tell("submit", Done(outputs=outputs, usage=usage, remote_id=f"r-{generation.pk}"))
    house.submit()
    assert fresh(generation).status == "finalizing"
    return generation


def lines(generation):
    return [(line["label"], line["amount"]) for line in generation.receipt["lines"]]


def test_a_result_at_an_address_is_fetched_checked_and_kept(house):
    house.files["a.png"] = png()
    generation = done(house, *url("a.png"))
    house.fetch()
    asset = generation.assets.select_related("blob").get()
    assert (fresh(generation).status, asset.kind, asset.mime, asset.width) == ("succeeded", "image", "image/png", 8)
    with assets.open_blob(asset.blob) as file:
        assert file.read() == png()
    assert not Step.objects.exists()


def test_bytes_that_came_with_the_answer_are_kept_before_anything_is_committed(house, tmp_path):
    path = tmp_path / "made.png"
    path.write_bytes(png("blue"))
    generation = done(house, Output(kind="image", file=path))
    path.unlink()
    row = last(generation).outputs[0]
    assert row["key"].startswith(f"inbox/{last(generation).pk}/")
    house.fetch()
    assert fresh(generation).status == "succeeded"
    with pytest.raises(FileNotFoundError), inbox.path(row["key"]):
        pass


def test_the_receipt_says_what_was_measured(house):
    generation = done(house, *text("one", "two", "three"), usage=Usage(count=3), params={"prompt": "x", "count": 4})
    house.fetch()
    generation = fresh(generation)
    assert (generation.quoted_micros, generation.charged_micros) == (20 * CREDIT, 15 * CREDIT)
    assert lines(generation) == [("3 images × 0.05", "15.000000")]
    assert generation.receipt["measured"] == {"count": 3}
    assert (generation.receipt["quoted"], generation.receipt["amount"]) == ("20.000000", "15.000000")
    assert house.wallet == (985 * CREDIT, 0)


def test_nothing_is_charged_beyond_the_hold(house):
    generation = done(house, *text(), usage=Usage(count=9))
    house.fetch()
    generation = fresh(generation)
    assert (generation.charged_micros, generation.held_micros) == (5 * CREDIT, 5 * CREDIT)
    assert lines(generation)[-1] == ("Never more than was quoted", "-40.000000")
    assert house.pool() == (99_550_000, 0), "the account really paid for nine"


def test_only_what_was_kept_is_charged_and_the_missing_are_named(house):
    house.files |= {"a.png": png(), "b.png": oops("result_gone", "It has lapsed."), "c.png": b"<html>"}
    generation = done(house, *url("a.png", "b.png", "c.png"), params={"prompt": "x", "count": 3})
    for _ in range(8):
        house.fetch()
    generation = fresh(generation)
    assert (generation.status, generation.assets.count(), generation.charged_micros) == ("succeeded", 1, 5 * CREDIT)
    assert generation.note == "2 of 3 results could not be kept: It has lapsed."
    assert lines(generation) == [("3 images × 0.05", "15.000000"), ("2 of 3 results could not be kept", "-10.000000")]
    assert house.wallet == (995 * CREDIT, 0)
    assert house.pool() == (99_850_000, 0)


def test_a_partial_price_that_does_not_divide_is_rounded_up(house):
    house.files |= {"a.png": png(), "b.png": b"no", "c.png": b"no"}
    generation = done(house, *url("a.png", "b.png", "c.png"))
    for _ in range(8):
        house.fetch()
    assert fresh(generation).charged_micros == 1_666_667


@pytest.mark.parametrize("trouble", [oops("result_gone"), oops("remote_not_found"), b"<html>not a picture</html>"])
def test_what_is_gone_or_broken_is_asked_for_again(house, trouble):
    house.files |= {"old.png": trouble, "new.png": png()}
    generation = done(house, *url("old.png"))
    house.adapter.tell("poll", Status(state="succeeded", outputs=url("new.png")))
    house.fetch()
    assert (fresh(generation).status, Step.objects.get().errors) == ("finalizing", 1)
    house.fetch()
    assert (fresh(generation).status, house.adapter.count("poll")) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("trouble", "code"), [(oops("result_gone", "Lapsed."), "result_gone"), (b"<html>no picture</html>", "bad_reply")]
)
def test_what_stays_gone_or_broken_fails_at_the_account_s_cost(house, trouble, code):
    house.files["a.png"] = trouble
    generation = done(house, *url("a.png"))
    house.adapter.tell("poll", oops("unavailable"), Status(state="running"))
    for _ in range(finishing.GONE_TRIES + 1):
        house.fetch()
    generation = fresh(generation)
    assert (generation.status, generation.error_code, generation.retryable) == ("failed", code, True)
    assert (house.wallet, house.pool()) == ((1000 * CREDIT, 0), (99_950_000, 0))
    assert house.adapter.count("poll") == finishing.GONE_TRIES
    assert not Step.objects.exists()


@pytest.mark.parametrize("code", finishing.HEALS)
def test_a_broken_line_is_tried_again_patiently(house, code):
    house.files["a.png"] = [*[oops(code)] * 8, png()]
    generation = done(house, *url("a.png"))
    for _ in range(8):
        house.fetch()
        assert fresh(generation).status == "finalizing"
    house.fetch()
    assert (fresh(generation).status, house.adapter.count("poll")) == ("succeeded", 0)


def test_a_line_that_never_heals_ends_the_job(house):
    house.files["a.png"] = oops("unavailable", "Down.")
    generation = done(house, *url("a.png"))
    for _ in range(3):
        house.fetch()
    with later(finishing.HEAL_HOURS * 3600):
        house.fetch()
    assert (fresh(generation).status, fresh(generation).error_message) == ("failed", "Down.")


def test_a_success_without_a_result_is_a_failure(house):
    generation = done(house)
    house.fetch()
    generation = fresh(generation)
    assert (generation.status, generation.error_code) == ("failed", "bad_reply")
    assert (house.wallet, house.pool()) == ((1000 * CREDIT, 0), (99_950_000, 0))


def test_bytes_lost_from_the_inbox_do_not_keep_a_job_for_ever(house, tmp_path):
    path = tmp_path / "made.png"
    path.write_bytes(png())
    generation = done(house, Output(kind="image", file=path))
    inbox.clear(last(generation).pk)
    for _ in range(finishing.GONE_TRIES + 1):
        house.fetch()
    assert (fresh(generation).status, fresh(generation).error_code) == ("failed", "result_gone")


def test_storage_that_is_away_keeps_the_job_until_it_is_back(house, monkeypatch):
    house.files["a.png"] = png("green")
    generation = done(house, *url("a.png"))

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(assets, "keep", full)
        for _ in range(8):
            assert isinstance(house.breaking("io"), OSError)
    assert (fresh(generation).status, Asset.objects.count()) == ("finalizing", 0)
    house.fetch()
    assert fresh(generation).status == "succeeded"


# -- twice, and half ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["keep", "succeed", "clear"])
def test_a_worker_killed_while_finishing_leaves_one_asset_and_one_charge(house, monkeypatch, where):
    house.files |= {"a.png": png(), "b.png": png("blue")}
    generation = done(house, *url("a.png", "b.png"), params={"prompt": "x", "count": 2})
    room = {"keep": assets, "succeed": lifecycle, "clear": inbox}[where]
    real, turns = getattr(room, where), []

    def killed(*args, **kwargs):
        turns.append(where)
        if where != "keep" or len(turns) == 2:
            raise Killed
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(room, where, killed)
        with pytest.raises(Killed):
            house.fetch()
    house.fetch(died=True)
    assert (fresh(generation).status, generation.assets.count()) == ("succeeded", 2)
    assert house.wallet == (990 * CREDIT, 0)


def test_the_slower_of_two_workers_neither_ends_nor_renames_anything(house):
    house.files["a.png"] = oops("content_rejected")  # for good
    generation = done(house, *url("a.png"))
    (mine,) = house.claim("io")
    (theirs,) = house.claim("io", died=True)
    finishing.work(mine)
    assert fresh(generation).status == "finalizing", "its news is void"
    house.files["a.png"] = png()
    finishing.work(theirs)
    assert (fresh(generation).status, house.wallet) == ("succeeded", (995 * CREDIT, 0))
    finishing.work(theirs)
    assert (generation.assets.count(), house.wallet) == (1, (995 * CREDIT, 0))


def test_the_slower_of_two_workers_does_not_change_the_addresses(house):
    house.files |= {"a.png": oops("result_gone"), "b.png": png()}
    generation = done(house, *url("a.png"))
    (mine,) = house.claim("io")
    house.claim("io", died=True)
    house.adapter.tell("poll", Status(state="succeeded", outputs=url("b.png")))
    finishing.work(mine)
    assert last(generation).outputs[0]["url"].endswith("a.png")


def test_a_place_that_is_filled_is_not_fetched_again(house):
    house.files |= {"a.png": [png()], "b.png": [oops("unavailable"), png("blue")]}
    generation = done(house, *url("a.png", "b.png"))
    house.fetch()
    house.fetch()
    assert (fresh(generation).status, generation.assets.count()) == ("succeeded", 2)


def test_marks_of_a_mock_are_on_the_asset(house):
    generation = house.make(model="mock/image")
    house.run(generation)
    assert generation.assets.get().facts["mocked"] is True


def test_a_live_result_is_not_marked(house):
    generation = house.make()
    house.adapter.tell("submit", Accepted(remote_id="r"))
    house.adapter.tell("poll", Status(state="succeeded", outputs=(Output(kind="text", text="x", facts={"words": 1}),)))
    house.run(generation)
    facts = generation.assets.get().facts
    assert "mocked" not in facts and "simulated" not in facts and facts["words"] == 1
