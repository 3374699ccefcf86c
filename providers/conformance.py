"""Proof that an adapter does what its catalogue says: fixtures/*.json through the strict driver, and a checklist.

A fixture: {"verb", "case", "assumed"?, one of "job" · "handle" · "account" · "callback" · "raw", "exchanges", and
"expect": the result's normal form, or "raises": {"code", …}}. Exchanges are as in http/replay.py. Which cases must be
there follows from the traits; `assumed` marks a shape the vendor does not publish.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .adapter import BaseAdapter
from .catalogue_types import Catalogue
from .playing import VERBS, Case, insist, play, secrets_of, shown
from .pricing import parts
from .registry import Entry, detect

FOLLOWED = ("submit", "running", "succeeded", "failed")
REFUSALS = ("refused", "unauthorized", "out_of_credits", "rate_limited", "garbage")
BY_TRAIT = {"cancel": "cancel", "find": "find", "callbacks": "callback"}
VERB_OF_TRAIT = {
    "cancel": "cancel",
    "find": "find",
    "callbacks": "receive",
    "discover": "discover",
    "poll_many": "poll_many",
}
# What a case must end in to deserve its name: states of a Status, types of a result, codes of an error.
MEANING: dict[str, tuple[str, ...]] = {
    "submit": ("Accepted",),
    "running": ("queued", "running"),
    "succeeded": ("succeeded", "Done"),
    "failed": ("failed", "remote_failed"),
    "refused": ("filtered", "content_rejected", "invalid_input", "input_unusable", "unsupported"),
    "unauthorized": ("auth_failed", "session_expired", "session_revoked"),
    "out_of_credits": ("out_of_credits",),
    "rate_limited": ("rate_limited", "busy"),
    "garbage": ("bad_reply", "unknown_outcome"),
    "cancel": ("confirmed", "requested", "too_late"),
    "find": ("Accepted", "Done"),
    "callback": ("tuple",),
}


def cases(entry: Entry) -> list[Case]:
    return [_case(path) for path in sorted((entry.folder or Path()).glob("fixtures/*.json"))]


def _case(path: Path) -> Case:
    data = json.loads(path.read_text(encoding="utf-8"))
    absent = [name for name in ("verb", "case") if name not in data] + (
        [] if {"expect", "raises"} & data.keys() else ["expect"]
    )
    insist(not absent, f"{path}: lacks {', '.join(absent)}.")
    insist(data["verb"] in VERBS, f"{path}: {data['verb']} is no verb; known: {', '.join(VERBS)}.")
    return Case(path, data)


def required(entry: Entry) -> tuple[str, ...]:
    """The cases this adapter must prove; none for a built-in kind, which makes its files here."""
    catalogue = _catalogue(entry)
    if catalogue.kind == "builtin":
        return ()
    immediate = all(item.traits.get("immediate") for item in catalogue.capabilities)
    spared = {"out_of_credits"} if _free(catalogue) else set()
    spared |= set() if any(item.required for item in catalogue.credentials) else {"unauthorized"}
    traits = [
        name for trait, name in BY_TRAIT.items() if any(item.traits.get(trait) for item in catalogue.capabilities)
    ]
    names = (*(("succeeded",) if immediate else FOLLOWED), *REFUSALS, *traits)
    return tuple(name for name in names if name not in spared)


def _free(catalogue: Catalogue) -> bool:
    return all(part["kind"] == "free" for item in catalogue.capabilities for part in parts(item.price))


def missing(entry: Entry) -> tuple[str, ...]:
    there = {case.name for case in cases(entry)}
    return tuple(name for name in required(entry) if name not in there)


def run_case(entry: Entry, case: Case) -> None:
    """Raises AssertionError when the adapter asks for anything else, or ends differently, than recorded."""
    got, raised = play(_adapter(entry), case)
    told = [name for name, value in secrets_of(_catalogue(entry)).items() if value in json.dumps(got)]
    insist(not told, f"{case.path}: the credential {', '.join(told)} shows in the result.")
    ended = f"{case.path}: it {'raised' if raised else 'returned'}\n{shown(got)}"
    insist(raised == ("raises" in case.data), ended)
    wanted = case.data["raises" if raised else "expect"]
    same = _restricted(got, wanted, whole=not raised)
    insist(same == wanted, f"{ended}\nbut the fixture says\n{shown(wanted)}")
    meant = MEANING.get(case.name, ())
    insist(not meant or _kinds(got) & set(meant), f"{ended}\nbut {case.name} means {' or '.join(meant)}")


def trial(entry: Entry, case: Case) -> str:
    """Why a case fails; empty when it passes."""
    try:
        run_case(entry, case)
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def _restricted(got: Any, wanted: Any, *, whole: bool) -> Any:
    """Of an error only what the fixture names is compared: messages are ours to improve."""
    if not isinstance(got, dict) or not isinstance(wanted, Mapping):
        return got
    if not whole:
        return {name: item for name, item in got.items() if name in wanted}
    return {name: _restricted(item, wanted.get(name), whole=name != "error") for name, item in got.items()}


def _kinds(got: Any) -> set[str]:
    if isinstance(got, Mapping):
        return {str(got.get(name)) for name in ("type", "state", "code")}
    return {"tuple"} if isinstance(got, list) else {str(got)}


# -- the checklist ---------------------------------------------------------------------------------------------------
def checklist(entry: Entry) -> list[tuple[str, bool, str]]:
    """Nine things a provider should have before it is offered: (line, ok, remedy)."""
    catalogue, adapter = _catalogue(entry), _adapter(entry)
    own, remote = catalogue.kind == "builtin", catalogue.kind == "remote"
    followed = not all(item.traits.get("immediate") for item in catalogue.capabilities)
    lacking = _lacking_verbs(catalogue, adapter, followed)
    unread = (
        []
        if own or not followed
        else [word for word in ("succeeded", "failed") if word not in catalogue.statuses.values()]
    )
    wrong_errors, wrong_course = _troubles(entry, REFUSALS), _troubles(entry, (*FOLLOWED, *BY_TRAIT.values()))
    offered = catalogue.enabled and any(item.lifecycle["status"] != "retired" for item in catalogue.capabilities)
    lost = [domain for domain in catalogue.domains if detect([entry], f"https://www.{domain}/x") != entry.slug]
    return [
        ("Takes jobs and has the verb for each of its traits", not lacking, f"Write {', '.join(lacking)}."),
        (
            "Names the domains its pages live on",
            bool(catalogue.domains) or not remote,
            "Add `domains` to the catalogue.",
        ),
        (
            "Declares the credit types it bills in",
            bool(catalogue.credit_types) or _free(catalogue),
            "Add `credit_types` to the catalogue.",
        ),
        ("Translates its status words", not unread, f"Add to `statuses` the words for {', '.join(unread)}."),
        ("Can be connected: by key, or from a captured session", _connects(catalogue, adapter), _CONNECT),
        ("Tells refusals apart in our codes", not wrong_errors, "\n".join(wrong_errors)),
        ("Appears in the list of providers", offered, "Set `enabled: true` and offer a model that is not retired."),
        ("Recognises its own addresses", not lost, f"Correct `domains`: {', '.join(lost)}."),
        ("Carries a job from submit to result", not wrong_course, "\n".join(wrong_course)),
    ]


_CONNECT = "Add `credentials`; with `capture`, say what is taken and where `email` stands, or write connect()."


def _lacking_verbs(catalogue: Catalogue, adapter: BaseAdapter, followed: bool) -> list[str]:
    wanted = ["submit", *(["poll"] if followed else [])]
    wanted += [
        verb for trait, verb in VERB_OF_TRAIT.items() if any(item.traits.get(trait) for item in catalogue.capabilities)
    ]
    return [verb for verb in wanted if not adapter.implements(verb)]


def _connects(catalogue: Catalogue, adapter: BaseAdapter) -> bool:
    if not catalogue.capture:
        return bool(catalogue.credentials) or catalogue.kind != "remote"
    taken = any(catalogue.capture.get(name) for name in ("cookies", "storage", "headers"))
    return adapter.implements("connect") or (
        taken and any(catalogue.capture.get(name) for name in ("email", "external_id"))
    )


def _troubles(entry: Entry, names: Iterable[str]) -> list[str]:
    """Why the cases of these names do not prove what they should."""
    wanted = set(names)
    absent = [f"Record fixtures/{name}.json." for name in missing(entry) if name in wanted]
    return absent + [why for case in cases(entry) if case.name in wanted and (why := trial(entry, case))]


def _catalogue(entry: Entry) -> Catalogue:
    if entry.catalogue is None:
        raise AssertionError(f"{entry.slug} did not load: {entry.error}")
    return entry.catalogue


def _adapter(entry: Entry) -> BaseAdapter:
    if entry.adapter is None:
        raise AssertionError(f"{entry.slug} did not load: {entry.error}")
    return entry.adapter
