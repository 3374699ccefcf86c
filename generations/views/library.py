"""The library: every file the workspace keeps, uploaded or made, by kind and by words."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from accounts.errors import Refused
from generations import assets
from generations.models import Asset

from .cards import piece
from .context import workspace_of
from .models import KIND_NAMES
from .paging import newest_first

PAGE = 60
ROLES = {"image": "image", "video": "video", "audio": "audio"}
USES = {
    "image": (
        ("Bring to life", "film", "image_to_video", "first_frame"),
        ("Make a variation", "wand-sparkles", "image_to_image", "image"),
    ),
    "video": (("Restyle", "wand-sparkles", "video_to_video", "video"), ("Extend", "film", "extend_video", "video")),
    "audio": (("Write down the words", "type", "speech_to_text", "audio"),),
}


@login_required
@ensure_csrf_cookie
@require_http_methods(["GET", "POST"])
def library(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _upload(request)
    kind, words, after = (request.GET.get(name, "") for name in ("kind", "q", "after"))
    rows, more = newest_first(_found(request, kind, words), after, size=PAGE)
    page = {"pieces": [piece(row) for row in rows], "next": more, "kind": kind, "q": words, "kinds": KIND_NAMES.items()}
    part = "library/_grid.html" if request.headers.get("HX-Request") else "library/library.html"
    return render(request, part, page)


def _found(request: HttpRequest, kind: str, words: str) -> QuerySet[Asset]:
    rows = Asset.objects.visible_in(workspace_of(request)).select_related("generation", "thumbnail")
    if kind in KIND_NAMES:
        rows = rows.filter(kind=kind)
    for word in words.split()[:8]:
        rows = rows.filter(Q(generation__prompt__icontains=word) | Q(name__icontains=word))
    return rows


def _upload(request: HttpRequest) -> HttpResponse:
    """Without a script: the same room the programming interface uses, then back to the list."""
    workspace = workspace_of(request)
    for file in request.FILES.getlist("file"):
        try:
            assets.upload(file, workspace=workspace, user=request.user)
        except Refused as refused:
            messages.error(request, f"{file.name}: {refused.detail}")
    return redirect("library")


@login_required
@require_GET
def asset(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One file. A generated one is shown with the generation it came from."""
    row = get_object_or_404(
        Asset.objects.visible_in(workspace_of(request)).select_related("blob", "generation", "thumbnail"), pk=pk
    )
    if row.generation and row.generation.deleted_at is None:
        return redirect(f"/generations/{row.generation_id}?output={row.pk}")
    return render(request, "library/asset.html", {"asset": row, "shown": piece(row), "uses": _uses(row)})


def _uses(row: Asset) -> list[tuple[str, str, str]]:
    """(words, icon, address of the composer with it as an input)"""
    made: list[Any] = [
        (word, icon, f"/?operation={operation}&role={role}&input={row.pk}")
        for word, icon, operation, role in USES.get(row.kind, ())
    ]
    return made
