"""What every test stands on: a data directory of its own, no way out to the network, and four people.

Alice owns the workspace `studio`, Bob is a member of it, Charlie is a stranger, and there is a superuser. Django's settings
are named here and not in pyproject.toml, because the environment they read must be made first.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KEY = "dGVzdHMtb25seS1maWVsZC1rZXktMzItYnl0ZXMtISE="  # a Fernet key that guards nothing
LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""}
CREDITS = 1000


def _environment() -> None:
    """Before Django reads it; a worker of a parallel run gets a corner of the run's directory."""
    given = os.environ.get("MEDIAGEN_VAR")
    folder = Path(given or tempfile.mkdtemp(prefix="mediagen-tests-")) / os.environ.get("PYTEST_XDIST_WORKER", "")
    folder.mkdir(parents=True, exist_ok=True)
    if not given:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {"MEDIAGEN_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "mediagen_site.settings", "APP_URL": ""}
    os.environ["SECRET_KEY"] = os.environ.get("SECRET_KEY") or "for tests only, guards nothing at all, fifty characters"
    os.environ["FIELD_KEYS"] = os.environ.get("FIELD_KEYS") or KEY


_environment()


def pytest_configure() -> None:
    """Reading the settings here is what makes the plug-in set Django up, right after this."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    settings.STATIC_ROOT = Path(settings.VAR_DIR) / "static"
    settings.STATIC_ROOT.mkdir(exist_ok=True)


def pytest_report_header() -> str:
    from django.conf import settings

    database = settings.DATABASES["default"]
    where = f"{database.get('HOST') or ''}{':' if database.get('PORT') else ''}{database.get('PORT') or ''}"
    broker, cache = ("Redis", "Redis") if settings.REDIS_URL else ("the database", "files")
    return f"database: {database['ENGINE'].rpartition('.')[2]} {where}; broker: {broker}; cache: {cache}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""
    items.sort(
        key=lambda item: 0 if item.get_closest_marker("faults") else 1 if item.get_closest_marker("browser") else 2
    )


# -- the network ends at this machine ---------------------------------------------------------------------------------
class WayOut(Exception):
    """A test tried to reach another machine. Not an OSError, so that no retry policy swallows it."""


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if (
            self.family in (socket.AF_INET, socket.AF_INET6)
            and isinstance(address, tuple)
            and not _is_here(str(address[0]))
        ):
            raise WayOut(f"Tests reach no other machine; this one tried {address[0]}:{address[1]}.")
        return real(self, *args)

    return guarded


def _is_here(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.") or host.startswith("::ffff:127.")


# -- nothing left over from the test before ---------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    """A name space of its own in whatever cache there is: emptying a shared one would disturb parallel workers."""
    from django.core.cache import caches

    caches.settings["default"]["KEY_PREFIX"] = uuid.uuid4().hex
    with contextlib.suppress(AttributeError):
        del caches["default"]


# -- people -----------------------------------------------------------------------------------------------------------
def person(name: str, **more: Any) -> Any:
    from django.contrib.auth import get_user_model

    from accounts import people

    user = get_user_model().objects.create_user(name, f"{name}@example.org", "a long pass phrase", **more)
    fund(people.personal_workspace(user))
    return user


def fund(workspace: Any, credits: int = CREDITS) -> None:
    from accounts import ledger, money

    ledger.grant(ledger.wallet(workspace), amount=credits * money.MICROS, key=f"grant:{uuid.uuid4()}", note="for tests")


@pytest.fixture
def alice(db: None) -> Any:
    return person("alice")


@pytest.fixture
def bob(db: None) -> Any:
    return person("bob")


@pytest.fixture
def charlie(db: None) -> Any:
    return person("charlie")


@pytest.fixture
def staff(db: None) -> Any:
    return person("stella", is_staff=True, is_superuser=True)


@pytest.fixture
def studio_space(alice: Any, bob: Any) -> Any:
    """Alice's, shared with Bob."""
    from accounts import people

    workspace = people.make_workspace("Studio", alice)
    people.add_member(workspace, bob)
    fund(workspace)
    return workspace


def browser(user: Any, workspace: Any = None) -> Any:
    """A signed-in test client that works in this workspace."""
    from django.test import Client

    from accounts.people import SESSION_KEY

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    if workspace is not None:
        session = client.session
        session[SESSION_KEY] = workspace.slug
        session.save()
    return client


@pytest.fixture
def alice_client(alice: Any, studio_space: Any) -> Any:
    return browser(alice, studio_space)


@pytest.fixture
def bob_client(bob: Any, studio_space: Any) -> Any:
    return browser(bob, studio_space)


@pytest.fixture
def charlie_client(charlie: Any) -> Any:
    return browser(charlie)


@pytest.fixture
def staff_client(staff: Any) -> Any:
    return browser(staff)


@pytest.fixture
def api(db: None) -> Callable[..., Any]:
    """`api(alice)`: a client with a key of hers, in the shared workspace when she is in one; speaks JSON."""
    from rest_framework.test import APIClient

    from accounts import keys, people

    def make(user: Any, scopes: tuple[str, ...] = ("read", "submit"), workspace: Any = None, **more: Any) -> Any:
        key, secret = keys.issue(
            workspace=workspace or people.workspaces_of(user)[-1], user=user, name="test", scopes=scopes, **more
        )
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}")
        client.key, client.secret = key, secret
        return client

    return make
