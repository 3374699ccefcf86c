"""The studio in a real browser: from a prompt to a picture, live; errors at their chips; inputs by role."""

from __future__ import annotations

import json
import re

import pytest
from browser_work import holds, made, signed_in

from generations.models import Generation
from providers.models import Capability

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde"
    b"\x00\x00\x00\x0cIDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82"
)
DONE = '.card[data-status="succeeded"]'


def test_a_prompt_becomes_a_picture_without_a_reload(visit, workers, anna):
    page = visit(anna).go("/?operation=text_to_image")
    page.evaluate("window.same = true")
    page.fill("[data-prompt]", "a lighthouse at dusk")
    holds(page, "document.querySelector('[data-amount]').textContent === '2.00 credits'")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card")
    page.wait_for_selector(f"{DONE} img", timeout=30_000)
    holds(page, "document.querySelector('[data-available]').textContent === '998.00'")
    assert page.evaluate("window.same")
    assert page.locator("[data-running]").is_hidden()


def test_the_page_keeps_up_by_asking_when_its_stream_fails(visit, workers, anna):
    visitor = visit(anna)
    visitor.expected.append("ERR_FAILED")
    visitor.page.route("**/api/v1/events", lambda route: route.abort())
    page = visitor.go("/?operation=text_to_image")
    page.fill("[data-prompt]", "a lighthouse at dawn")
    page.click("[data-generate]")
    page.wait_for_selector(DONE, timeout=30_000)


def test_what_another_tab_makes_appears_here(visit, anna):
    first, second = visit(anna).go("/?operation=text_to_image"), visit(anna).go("/?operation=text_to_image")
    second.fill("[data-prompt]", "made over there")
    second.click("[data-generate]")
    first.wait_for_selector('.card:has-text("made over there")')


def test_a_waiting_one_is_paused_resumed_and_cancelled_on_its_card(visit, anna):
    page = visit(anna).go("/?operation=text_to_video")
    page.fill("[data-prompt]", "a slow river")
    page.click("[data-generate]")
    for verb, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        page.click(f'.card [data-act="{verb}"] button')
        page.wait_for_selector(f'.card[data-status="{status}"]')
    assert "Nothing was charged" in page.inner_text(".card")


def test_a_failed_one_offers_the_next_step(visit, workers, anna):
    page = visit(anna).go("/?operation=text_to_image")
    page.fill("[data-prompt]", "[[filter]] something unkind")
    page.click("[data-generate]")
    page.wait_for_selector('.card[data-status="filtered"]', timeout=30_000)
    page.click(".card a:has-text('Change the prompt')")
    page.wait_for_url("**/?again=*")
    assert page.input_value("[data-prompt]") == "[[filter]] something unkind"


def test_an_empty_prompt_is_told_where_it_is_missing(visit, anna):
    page = visit(anna).go("/?operation=text_to_image")
    page.click("[data-generate]")
    assert page.inner_text("#prompt-error") == "Say what to make."
    assert page.evaluate("document.activeElement.matches('[data-prompt]')")
    assert not Generation.objects.exists()


def test_a_refusal_stands_at_the_chip_it_concerns(visit, anna):
    visitor = visit(anna)
    visitor.expected.append("status of 422")
    page = visitor.go("/?operation=text_to_video")
    page.fill("[data-prompt]", "a river")
    page.click('[data-chip="params.duration"]')
    page.fill("#pop-duration input[type=number]", "99")
    page.keyboard.press("Escape")
    page.click("[data-generate]")
    page.wait_for_selector('[data-chip="params.duration"][data-wrong]')
    assert "20" in page.inner_text("#composer [data-problem]")


def test_the_quote_follows_the_chips(visit, anna):
    page = visit(anna).go("/?operation=text_to_video")
    page.click('[data-chip="params.duration"]')
    page.fill("#pop-duration input[type=number]", "6")
    holds(page, "document.querySelector('[data-amount]').textContent === '30.00 credits'")
    page.keyboard.press("Escape")
    page.hover("[data-quote]")
    assert "30.00" in page.inner_text("#quote-lines")


def test_another_operation_keeps_the_words(visit, anna):
    page = visit(anna).go("/?operation=text_to_image")
    page.fill("[data-prompt]", "words that stay")
    page.click('[data-chip="operation"]')
    page.click('[data-operation="text_to_video"]')
    page.wait_for_selector('[data-chip="params.duration"]')
    assert page.input_value("[data-prompt]") == "words that stay"


def test_the_picker_filters_as_one_types(visit, anna):
    page = visit(anna).go("/?operation=text_to_image")
    page.click('[data-chip="model"]')
    page.wait_for_selector("[data-model]")
    page.fill("#pop-model [data-filter]", "slow")
    assert page.locator("[data-model]:visible").count() == 1
    page.click('[data-model="mock/image-slow"]')
    page.wait_for_selector('#composer input[name="model"][value="mock/image-slow"]', state="attached")


def test_a_dropped_image_finds_an_operation_that_takes_it(visit, anna):
    page = visit(anna).go("/?operation=text_to_video")
    page.fill("[data-prompt]", "let it move")
    drop(page, "picture.png")
    page.wait_for_selector('[data-slot="first_frame"] .slot.full[data-asset]')
    page.click("[data-generate]")
    page.wait_for_selector(".card")
    generation = Generation.objects.get()
    assert (generation.operation, [item.role for item in generation.inputs.all()]) == (
        "image_to_video",
        ["first_frame"],
    )


def drop(page, name):
    data = page.evaluate_handle(
        """([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
          return data;
        }""",
        [list(PNG), name],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})


def test_a_parameter_of_the_future_just_works(visit, anna):
    row = Capability.objects.get(provider__slug="mock", model="image", operation="text_to_image")
    wobble = {"type": "string", "enum": ["soft", "hard"], "default": "soft", "x-when": {"aspect_ratio": "16:9"}}
    row.spec["schema"]["properties"]["wobble"] = wobble
    row.spec_hash = "changed"
    row.save()
    page = visit(anna).go("/?operation=text_to_image&model=mock/image")
    chip = page.locator('[data-param="wobble"]')
    assert chip.is_hidden()
    page.click('[data-chip="params.aspect_ratio"]')
    page.click('#pop-aspect_ratio label:has-text("16:9")')
    chip.locator("button.chip").wait_for(state="visible")
    page.keyboard.press("Escape")
    page.click('[data-chip="params.wobble"]')
    page.click('#pop-wobble label:has-text("hard")')
    sent = sent_body(page)
    assert sent["params"]["wobble"] == "hard"
    page.click('[data-chip="params.aspect_ratio"]')
    page.click('#pop-aspect_ratio label:has-text("1:1")')
    chip.wait_for(state="hidden")


def sent_body(page):
    with page.expect_request("**/api/v1/quotes") as asked:
        page.fill("[data-prompt]", "anything else")
    return json.loads(asked.value.post_data)


def test_typed_values_travel_with_their_types(visit, anna):
    page = visit(anna).go("/?operation=text_to_video&model=mock/video")
    params = sent_body(page)["params"]
    assert (params["duration"], params["aspect_ratio"], params["audio"]) == (4, "16:9", True)
    assert "seed" not in params


def test_the_feed_fetches_older_work_as_one_scrolls(visit, anna):
    from generations.views import paging

    client = signed_in(anna)
    for n in range(paging.PAGE + 3):
        body = {"model": "mock/prompt", "operation": "text_to_text", "params": {"prompt": f"number {n}"}}
        assert client.post("/generations/new", json.dumps(body), content_type="application/json").status_code == 202
    page = visit(anna).go("/")
    assert page.locator(".card").count() == paging.PAGE
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    holds(page, f"document.querySelectorAll('.card').length === {paging.PAGE + 3}")
    assert page.locator(".day").count() == 1


def test_news_of_older_work_does_not_bring_it_up_before_its_turn(visit, anna):
    from generations import lifecycle
    from generations.views import paging

    rows = [made(anna, "mock/prompt", prompt=f"number {n}") for n in range(paging.PAGE + 1)]
    page = visit(anna).go("/")
    lifecycle.pause(rows[0], by=anna)
    lifecycle.pause(rows[-1], by=anna)
    page.wait_for_selector(f'#card-{rows[-1].pk}[data-status="paused"]')
    assert page.locator(f"#card-{rows[0].pk}").count() == 0


def test_it_submits_without_scripts(visit, anna):
    page = visit(anna, java_script_enabled=False).go("/?operation=text_to_image")
    page.fill("[data-prompt]", "made by a plain form")
    page.click("[data-generate]")
    page.wait_for_selector(".card")
    assert Generation.objects.get().prompt == "made by a plain form"
    assert re.search(r"/$", page.url)
