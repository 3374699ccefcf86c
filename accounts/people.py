"""Workspaces and who belongs to them; the workspace a request acts in is decided here and nowhere else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from . import keys, ledger
from .errors import field_errors
from .models import ApiKey, Membership, Workspace
from .money import MICROS

ADMIN = "admin"
SESSION_KEY = "workspace"


def personal_workspace(user: Any) -> Workspace:
    """Everyone has one; made on demand, with an empty wallet."""
    found = Workspace.objects.filter(personal_for=user).first()
    return found or _make(name=user.get_username(), owner=user, personal=True)


def make_workspace(name: str, owner: Any) -> Workspace:
    if not name.strip():
        raise field_errors({"name": ["Give the workspace a name."]})
    return _make(name=name.strip(), owner=owner, personal=False)


def workspaces_of(user: Any) -> list[Workspace]:
    """The personal one first, then the shared ones by name."""
    mine = personal_workspace(user)
    return [mine, *Workspace.objects.of(user).exclude(pk=mine.pk).order_by("name")]


def add_member(workspace: Workspace, user: Any, role: str = Membership.MEMBER) -> Membership:
    return Membership.objects.update_or_create(workspace=workspace, user=user, defaults={"role": role})[0]


def current_workspace(request: Any) -> Workspace:
    """Where a signed-in person works: the one chosen in this session while they belong to it, else their own."""
    slug = request.session.get(SESSION_KEY) if hasattr(request, "session") else None
    chosen = Workspace.objects.of(request.user).filter(slug=slug).first() if slug else None
    return chosen or personal_workspace(request.user)


def acting_workspace(request: Any) -> Workspace:
    """Where a call of the programming interface works: its key's workspace, else the session's. Asked once per request."""
    found: Workspace | None = getattr(request, "_workspace", None)
    if found is None:
        key = getattr(request, "auth", None)
        found = key.workspace if isinstance(key, ApiKey) else current_workspace(request)
        request._workspace = found
    return found


def ensure_first_admin() -> Any:
    """The person of the first start: superuser without a password, demo credits (once) and a key named demo (once).

    When that key was made just now, its secret is on the answer as `demo_secret`, to be shown once.
    """
    users = get_user_model()
    user: Any
    user, made = users.objects.get_or_create(username=ADMIN, defaults={"is_staff": True, "is_superuser": True})
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    workspace = personal_workspace(user)
    amount = settings.MEDIAGEN_DEMO_CREDITS * MICROS
    if amount > 0:
        ledger.grant(ledger.wallet(workspace), amount=amount, key="grant:demo", note="Demo credits")
    user.demo_secret = None
    if not ApiKey.objects.filter(workspace=workspace, name="demo").exists():
        user.demo_secret = keys.issue(workspace=workspace, user=user, name="demo")[1]
    return user


def _make(*, name: str, owner: Any, personal: bool) -> Workspace:
    """Two first visits at once: the unique columns let one win, the other finds it."""
    holder = {"personal_for": owner} if personal else {}
    for _ in range(5):
        try:
            with transaction.atomic():
                workspace = Workspace.objects.create(slug=_free_slug(name), name=name[:120], **holder)
                Membership.objects.create(workspace=workspace, user=owner, role=Membership.OWNER)
                ledger.wallet(workspace)
                return workspace
        except IntegrityError:
            found = Workspace.objects.filter(personal_for=owner).first() if personal else None
            if found:
                return found
    raise field_errors({"name": ["This name is being taken by someone else right now. Choose another."]})


def _free_slug(name: str) -> str:
    base = slugify(name)[:50] or "workspace"
    taken = set(Workspace.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(slug for slug in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if slug not in taken)
