"""Every page in both themes, wide and on a phone: no axe violation, nothing wider than the window, keys that work."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_work import PHONE, WIDE, ended, holds, made

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
PAGES = [
    "/",
    "/library",
    "/wallet",
    "/models",
    "/settings/keys",
    "/auth/password/change/",
    "/auth/2fa/",
    "/auth/logout/",
]
OUTSIDE = ["/auth/login/", "/auth/password/reset/", "/auth/signup/"]


@pytest.fixture
def works(anna, workers):
    """One of each kind, one that failed, one that was filtered, one under way."""
    found = {
        "image": made(anna, "mock/image", count=3, aspect_ratio="9:16"),
        "video": made(anna, "mock/video", duration=1),
        "audio": made(anna, "mock/speech"),
        "text": made(anna, "mock/script"),
        "model3d": made(anna, "mock/mesh"),
        "failed": made(anna, "mock/image", prompt="[[bad]] a bridge"),
        "filtered": made(anna, "mock/image", prompt="[[filter]] a word"),
    }
    ended(*found.values())
    found["running"] = made(anna, "mock/video-slow", prompt="[[slow 100]] clouds")
    return found


def violations(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']} at {page.url}: {one['nodes'][0]['html'][:160]}" for one in found]


def wider_than_the_window(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("theme", ["dark", "paper"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_pages_are_accessible_and_fit(visit, anna, works, size, theme):
    visitor = visit(anna, size=size, theme=theme)
    for path in [*PAGES, *(f"/generations/{one.pk}" for one in works.values())]:
        page = visitor.go(path)
        assert violations(page) == []
        assert not wider_than_the_window(page), path
    stranger = visit(size=size, theme=theme)
    for path in OUTSIDE:
        assert violations(stranger.go(path)) == []


@pytest.mark.parametrize("theme", ["dark", "paper"])
def test_open_popovers_are_accessible(visit, anna, theme):
    page = visit(anna, theme=theme).go("/?operation=text_to_video")
    for name in ("operation", "model", "params.aspect_ratio", "params.duration", "more"):
        page.click(f'[data-chip="{name}"]')
        page.wait_for_timeout(300)
        assert violations(page) == []
        page.keyboard.press("Escape")
    page.click("[popovertarget=me]")
    assert violations(page) == []


def test_the_theme_changes_at_once_and_stays(visit, anna):
    page = visit(anna, theme="dark").go("/wallet")
    page.click("[popovertarget=me]")
    with page.expect_response("**/theme"):
        page.click('button[name="theme"][value="paper"]')
    assert page.evaluate(
        "getComputedStyle(document.body).colorScheme || document.documentElement.dataset.theme"
    ) == "paper" or (page.get_attribute("html", "data-theme") == "paper")
    page.reload()
    assert page.get_attribute("html", "data-theme") == "paper"


def test_keys_walk_from_one_to_the_next_and_back(visit, anna, works):
    page = visit(anna).go(f"/generations/{works['audio'].pk}")
    page.keyboard.press("k")
    page.wait_for_url(f"**/{works['text'].pk}")
    page.keyboard.press("j")
    page.wait_for_url(f"**/{works['audio'].pk}")
    page.keyboard.press("Escape")
    page.wait_for_selector("#feed")


def test_an_image_is_shown_at_full_size_and_back(visit, anna, works):
    page = visit(anna).go(f"/generations/{works['image'].pk}")
    page.click("[data-zoom]")
    assert page.locator("#stage[data-zoomed]").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#stage[data-zoomed]").count() == 0


def test_a_3d_model_turns_in_its_sandbox(visit, anna, works):
    page = visit(anna).go(f"/generations/{works['model3d'].pk}")
    frame = page.frame_locator("iframe[data-model]")
    frame.locator("model-viewer").wait_for(timeout=30_000)
    frame.locator("#state").wait_for(state="detached", timeout=30_000)
    assert page.get_attribute("iframe[data-model]", "sandbox") == "allow-scripts"


def test_a_video_seeks(visit, anna, works):
    page = visit(anna).go(f"/generations/{works['video'].pk}")
    holds(page, "document.querySelector('.stage video').readyState >= 1")
    page.evaluate("document.querySelector('.stage video').currentTime = 0.6")
    holds(page, "Math.abs(document.querySelector('.stage video').currentTime - 0.6) < 0.1")


def test_the_library_takes_uploads_and_finds_them(visit, anna, tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), "teal").save(tmp_path / "harbour.png")
    page = visit(anna).go("/library")
    page.set_input_files("[data-upload] input[type=file]", tmp_path / "harbour.png")
    page.wait_for_selector('.tile:has-text("harbour.png")')
    page.fill("input[name=q]", "zebra")
    page.wait_for_selector("text=Nothing found")
    page.fill("input[name=q]", "harbour")
    page.wait_for_selector(".tile")
    assert "q=harbour" in page.url


def test_a_key_is_made_copied_and_revoked(visit, anna):
    page = visit(anna).go("/settings/keys")
    page.fill("#key-name", "Nightly")
    page.click("text=Make the key")
    assert page.input_value("#secret").startswith("mg_")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Revoke')")
    page.wait_for_selector("text=is revoked")


def test_sign_in_with_a_password_and_out_again(visit, anna):
    page = visit().go("/")
    page.fill("input[name=login]", "anna")
    page.fill("input[name=password]", "a long pass phrase")
    page.click("button:has-text('Sign in')")
    page.wait_for_selector("#composer")
    page.click("[popovertarget=me]")
    page.click("text=Sign out")
    page.wait_for_selector("input[name=login]")


def test_every_control_of_the_studio_is_reached_by_tab(visit, anna):
    page = visit(anna).go("/?operation=text_to_image")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.dataset.chip ?? document.activeElement.className"))
    for name in ("operation", "model", "params.aspect_ratio", "more"):
        assert name in seen
    assert any("generate" in name for name in seen)
