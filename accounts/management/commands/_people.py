"""What the commands share: finding the person and the workspace they name, refused by the option's name."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from accounts import people
from accounts.models import Workspace


def person(name: str, option: str = "--user") -> Any:
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"{option}: there is no user {name!r}.")
    return found


def workspace_for(user: Any, slug: str | None) -> Workspace:
    """The named one, if this person belongs to it; without a name their own."""
    if not slug:
        return people.personal_workspace(user)
    found = Workspace.objects.of(user).filter(slug=slug).first()
    if found is None:
        raise CommandError(f"--workspace: {user} belongs to no workspace {slug!r}.")
    return found
