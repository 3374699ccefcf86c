"""A provider without code: the verbs its catalogue declares under `http.endpoints`, as an adapter would write them.

An adapter may subclass `Declared` (import it from here) and write only the verb that needs an `if`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from .adapter import BaseAdapter
from .errors import ProviderError
from .http.troubles import first_match
from .mapping import merge
from .templates import address, filled, texts
from .types import (
    Accepted,
    AccountFacts,
    Done,
    Handle,
    Job,
    Output,
    Reply,
    Request,
    Snapshot,
    Status,
    Steps,
    Usage,
    Verb,
)

NO_JOB = (404, 409, 410)
ENDED_BADLY = {"failed": "remote_failed", "filtered": "content_rejected"}
WHOLE = ("count", "characters", "tokens_in", "tokens_out", "tokens_cached")
Spec = Mapping[str, Any]


class Declared(BaseAdapter):
    """Verbs by the catalogue. A verb that is not declared behaves as in BaseAdapter."""

    def implements(self, verb: str) -> bool:
        if getattr(type(self), verb) is not getattr(Declared, verb):
            return True
        return verb in self.catalogue.endpoints

    def endpoint(self, verb: str, model: str = "", operation: str = "") -> dict[str, Any]:
        """The provider's endpoint with the capability's own words laid over it; {} when there is none."""
        capability = self.catalogue.capability(model, operation)
        over = capability.endpoints.get(verb, {}) if capability else {}
        return merge(self.catalogue.endpoints.get(verb, {}), over)

    # -- the verbs --------------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> Verb[Accepted | Done]:
        spec = self.endpoint("submit", job.model, job.operation)
        return self._submit(spec, job) if spec else super().submit(job)

    def _submit(self, spec: Spec, job: Job) -> Steps[Accepted | Done]:
        # Under one idempotency key a repeat costs nothing, yet losing the last answer still leaves the outcome unknown.
        capability = self.catalogue.capability(job.model, job.operation)
        keyed = {"safe": True, "pays": True} if capability and capability.traits.get("idempotency") else {}
        reply = yield self._request(spec, _job_values(self, job), method="POST", body="mapped", **keyed)
        return self._taken(spec, reply, job)

    def poll(self, handle: Handle) -> Verb[Status]:
        spec = self.endpoint("poll", handle.model, handle.operation)
        return self._poll(spec, handle) if spec else super().poll(handle)

    def _poll(self, spec: Spec, handle: Handle) -> Steps[Status]:
        reply = yield self._request(spec, _handle_values(self, handle))
        state = self.status(_needed(reply, spec["state"])) if "state" in spec else "succeeded"
        memo = {**handle.memo, **_kept(spec, reply)} if "memo" in spec else None
        if state in ENDED_BADLY:
            error = self._error(spec, reply, ENDED_BADLY[state])
            state = "filtered" if error.code == "content_rejected" else state
            return Status(state=state, error=error, usage=_usage(spec, reply), memo=memo)
        if state != "succeeded":
            return Status(state=state, memo=memo, **_news(spec, reply))
        result = self.endpoint("result", handle.model, handle.operation)
        if result:
            values = _handle_values(self, handle) | ({} if memo is None else {"memo": memo})
            reply, spec = (yield self._request(result, values)), result
        outputs = self._outputs(spec, reply, handle.outputs)
        return Status(state=state, outputs=outputs, usage=_usage(spec, reply), memo=memo)

    def cancel(self, handle: Handle) -> Verb[str]:
        spec = self.endpoint("cancel", handle.model, handle.operation)
        return self._cancel(spec, handle) if spec else super().cancel(handle)

    def _cancel(self, spec: Spec, handle: Handle) -> Steps[str]:
        values = _handle_values(self, handle)
        reply = yield self._request(spec, values, method="POST", safe=True, accept=NO_JOB)
        return "too_late" if reply.status in NO_JOB else str(spec.get("verdict", "requested"))

    def find(self, job: Job) -> Verb[Accepted | Done | None]:
        spec = self.endpoint("find", job.model, job.operation)
        return self._find(spec, job) if spec else super().find(job)

    def _find(self, spec: Spec, job: Job) -> Steps[Accepted | Done | None]:
        reply = yield self._request(spec, _job_values(self, job), accept=(404,))
        known = reply.status != 404 and reply.get(spec.get("id", "id")) is not None
        return self._taken(spec, reply, job) if known else None

    def inspect(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Verb[Snapshot]:
        spec = self.endpoint("inspect")
        return self._inspect(spec, account) if spec else super().inspect(account, secrets, now)

    def _inspect(self, spec: Spec, account: AccountFacts) -> Steps[Snapshot]:
        reply = yield self._request(spec, _account_values(self, account))
        found = {name: reply.get(spec[name]) for name in ("external_id", "email", "plan", "note") if name in spec}
        told: dict[str, Any] = {name: str(value) for name, value in found.items() if value is not None}
        slots = reply.get(spec["concurrency"]) if "concurrency" in spec else None
        return Snapshot(
            ok=bool(reply.get(spec["ok"])) if "ok" in spec else True,
            balances={name: _balance(reply, where) for name, where in spec.get("balances", {}).items()},
            concurrency=slots if isinstance(slots, int) else None,
            **told,
        )

    # -- asking -----------------------------------------------------------------------------------------------------
    def _request(
        self, spec: Spec, values: dict[str, Any], *, method: str = "GET", body: str = "", **rest: Any
    ) -> Request:
        template = spec.get("body", body)
        made = values.get("mapped") if template == "mapped" else filled(template, values) if template else None
        if "timeout" in spec:
            rest["timeout"] = spec["timeout"]
        if "safe" in spec:
            rest["safe"] = spec["safe"]
        return Request(
            method=spec.get("method", method),
            path=address(spec["path"], values),
            params=texts(spec.get("query", {}), values) or None,
            headers=texts(spec.get("headers", {}), values) or None,
            json=made,
            spill=spec.get("spill", any("b64" in item for item in _listed(spec.get("outputs")))),
            **rest,
        )

    # -- reading ----------------------------------------------------------------------------------------------------
    def _taken(self, spec: Spec, reply: Reply, job: Job) -> Accepted | Done:
        state = self.status(_needed(reply, spec["state"])) if "state" in spec else ""
        if state in ENDED_BADLY:
            raise self._error(spec, reply, ENDED_BADLY[state])
        remote_id = str(_needed(reply, spec["id"])) if "id" in spec else ""
        memo = _kept(spec, reply)
        if "outputs" in spec and state in ("", "succeeded"):
            outputs = self._outputs(spec, reply, job.outputs)
            return Done(outputs=outputs, usage=_usage(spec, reply), remote_id=remote_id, memo=memo)
        # A job that is already done but shows its results elsewhere is looked at like any other.
        return Accepted(remote_id=remote_id, state="running" if state == "succeeded" else state or "queued", memo=memo)

    def _outputs(self, spec: Spec, reply: Reply, kinds: tuple[str, ...]) -> tuple[Output, ...]:
        found = [item for where in _listed(spec.get("outputs")) for item in _found(where, reply, kinds)]
        if not found:
            raise ProviderError("bad_reply", f"{self.catalogue.name} says it succeeded but names no result.")
        return tuple(Output(index=index, **item) for index, item in enumerate(found))

    def _error(self, spec: Spec, reply: Reply, code: str) -> ProviderError:
        said = reply.get(spec["error"]) if "error" in spec else None
        word = reply.get(spec["error_code"]) if "error_code" in spec else None
        message, vendor = str(said or "").strip(), "" if word is None else str(word)
        row = first_match([rule.row() for rule in self.catalogue.errors], None, vendor, message)
        text = f"{self.catalogue.name}: {message}" if message else f"{self.catalogue.name} failed and did not say why."
        return ProviderError(row["to"] if row else code, text, vendor_code=vendor)


# -- values a template may name --------------------------------------------------------------------------------------
def _account_values(adapter: BaseAdapter, account: AccountFacts) -> dict[str, Any]:
    shown = {name: getattr(account, name) for name in ("external_id", "email", "plan", "facts")}
    version = account.api_version or adapter.catalogue.http.get("api_version", "")
    return {"account": shown, "api_version": version}


def _job_values(adapter: BaseAdapter, job: Job) -> dict[str, Any]:
    names = ("model", "operation", "reference", "params", "mapped", "callback_url")
    return {**{name: getattr(job, name) for name in names}, **_account_values(adapter, job.account)}


def _handle_values(adapter: BaseAdapter, handle: Handle) -> dict[str, Any]:
    names = ("model", "operation", "reference", "params", "remote_id", "memo")
    return {**{name: getattr(handle, name) for name in names}, **_account_values(adapter, handle.account)}


# -- replies ---------------------------------------------------------------------------------------------------------
def _needed(reply: Reply, path: str) -> str | int:
    found = reply.get(path)
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise ProviderError("bad_reply", f"The provider's answer lacks {path} (text or number).")
    return found


def _kept(spec: Spec, reply: Reply) -> dict[str, Any]:
    found = {name: reply.get(path) for name, path in spec.get("memo", {}).items()}
    return {name: value for name, value in found.items() if value is not None}


def _news(spec: Spec, reply: Reply) -> dict[str, Any]:
    progress = _decimal(reply.get(spec["progress"])) if "progress" in spec else None
    position = reply.get(spec["position"]) if "position" in spec else None
    share = None if progress is None else float(progress) / spec.get("progress_scale", 1)
    return {
        "progress": None if share is None else min(max(share, 0.0), 1.0),
        "position": position if isinstance(position, int) else None,
        "note": str(reply.get(spec["note"]) or "") if "note" in spec else "",
    }


def _found(where: Spec, reply: Reply, kinds: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    how = next(name for name in ("url", "b64", "text") if name in where)
    facts = {name: reply.get(path) for name, path in where.get("facts", {}).items()}
    rest = {name: where[name] for name in ("mime", "role", "name") if name in where}
    rest["kind"] = where.get("kind") or (kinds[0] if kinds else "data")
    rest["facts"] = {name: value for name, value in facts.items() if value is not None}
    for value in reply.all(where[how]):
        if isinstance(value, str) and value:
            yield {**rest, how: value}


def _usage(spec: Spec, reply: Reply) -> Usage | None:
    wanted = spec.get("usage", {})
    found = {name: reply.get(path) for name, path in wanted.items() if name not in ("credit_type", "charged")}
    told: dict[str, Any] = {name: _decimal(value) for name, value in found.items()}
    told = {name: int(value) if name in WHOLE else value for name, value in told.items() if value is not None}
    charged = reply.get(wanted["charged"]) if "charged" in wanted else None
    if not told and charged is None:
        return None
    return Usage(**told, credit_type=wanted.get("credit_type", ""), charged=None if charged is None else bool(charged))


def _balance(reply: Reply, where: Any) -> Decimal | None:
    path, scale = (where, 1) if isinstance(where, str) else (where["path"], where.get("scale", 1))
    found = _decimal(reply.get(path))
    return None if found is None else found / Decimal(str(scale))


def _decimal(value: Any) -> Decimal | None:
    try:
        found = None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
