"""One recorded case brought to life: the job or handle it names, the strict driver, what came of it in normal form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .adapter import BaseAdapter
from .catalogue_types import Catalogue
from .errors import ProviderError
from .http.replay import Replay
from .http.wire import Site
from .mapping import fill_defaults, map_params, validate
from .types import AccountFacts, Callback, Handle, InputFile, Job

NOW = 1_700_000_000.0
REFERENCE = "ref-1"
CALLBACK_URL = "https://mediagen.example/callbacks/x"


@dataclass(frozen=True, slots=True)
class Case:
    """One fixture file. `name` is the case it proves; several files may prove the same."""

    path: Path
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.data["case"])

    @property
    def verb(self) -> str:
        return str(self.data["verb"])

    @property
    def assumed(self) -> bool:
        return bool(self.data.get("assumed"))

    def __str__(self) -> str:
        return self.path.stem


def insist(holds: Any, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def play(adapter: BaseAdapter, case: Case) -> tuple[Any, bool]:
    """(the normal form of what the verb ended in, whether it was raised)."""
    catalogue = adapter.catalogue
    driver = Replay(case.data.get("exchanges", ()), ordered=True, now=lambda: NOW)
    with TemporaryDirectory(prefix="mediagen-") as scratch:
        make = VERBS[case.verb](adapter, case, Path(scratch))
        site = _site(catalogue, Path(scratch))
        try:
            value: Any = driver.call(f"{catalogue.slug}.{case.verb}", make, site, pays_default=case.verb == "submit")
            ended = (normal(value), False)
        except ProviderError as error:
            ended = (normal(error), True)
        driver.close()
    return ended


def _site(catalogue: Catalogue, scratch: Path) -> Site:
    """One exchange per fixture: pauses and repeats are the engine's own business and tested there."""
    http = catalogue.http
    given = {
        name: http[name]
        for name in ("auth", "hosts", "headers", "api_version", "code_at", "message_at")
        if name in http
    }
    return Site(
        name=catalogue.name,
        base_url=http.get("base_url", "https://provider.invalid"),
        secrets=secrets_of(catalogue),
        errors=[rule.row() for rule in catalogue.errors],
        retries=0,
        scratch=scratch,
        **given,
    )


def secrets_of(catalogue: Catalogue) -> dict[str, str]:
    return {item.name: f"conformance-{item.name}-value" for item in catalogue.credentials}


def _job(adapter: BaseAdapter, case: Case, scratch: Path) -> Job:
    catalogue, given = adapter.catalogue, dict(case.data["job"])
    model, operation = given.pop("model"), given.pop("operation")
    capability = catalogue.capability(model, operation)
    insist(capability or "mapped" in given, f"{case.path}: {model} {operation} is not in the catalogue.")
    inputs = tuple(_input(case, item) for item in given.pop("inputs", ()))
    params = given.pop("params", {})
    if capability:
        problems = validate(capability.schema, params)
        insist(not problems, f"{case.path}: {' '.join(problem.message for problem in problems)}")
        given = {"mapped": map_params(capability, params, inputs, model), "outputs": capability.outputs, **given}
        params = fill_defaults(capability.schema, params)
    account = AccountFacts(**given.pop("account", {}))
    given = {
        "reference": REFERENCE,
        "extra": params.get("extra", {}),
        "now": NOW,
        "created": NOW,
        "deadline": NOW + 900,
        **given,
    }
    return Job(
        model=model,
        operation=operation,
        params=params,
        inputs=inputs,
        account=account,
        secrets=secrets_of(catalogue),
        scratch=scratch,
        **{**given, "outputs": tuple(given.get("outputs", ()))},
    )


def _input(case: Case, given: Mapping[str, Any]) -> InputFile:
    """`path` is relative to the fixtures folder."""
    place = {"path": case.path.parent / given["path"]} if "path" in given else {}
    return InputFile(**{**given, **place})


def _handle(adapter: BaseAdapter, case: Case, scratch: Path) -> Handle:
    given = dict(case.data["handle"])
    capability = adapter.catalogue.capability(given.get("model", ""), given.get("operation", ""))
    outputs = given.pop("outputs", capability.outputs if capability else ())
    account = AccountFacts(**given.pop("account", {}))
    secrets = secrets_of(adapter.catalogue)
    given = {"reference": REFERENCE, "now": NOW, "created": NOW, **given}
    return Handle(outputs=tuple(outputs), account=account, secrets=secrets, scratch=scratch, **given)


def _callback(adapter: BaseAdapter, case: Case, scratch: Path) -> Callback:
    given = dict(case.data["callback"])
    body = json.dumps(given.pop("json")) if "json" in given else given.pop("text", "")
    given = {"method": "POST", "path": "/callbacks/x", "query": {}, "headers": {}, "now": NOW, **given}
    return Callback(body=body.encode(), secrets=secrets_of(adapter.catalogue), **given)


def _with(build: Callable[..., Any], verb: str) -> Callable[..., Callable[[], Any]]:
    def bind(adapter: BaseAdapter, case: Case, scratch: Path) -> Callable[[], Any]:
        given = build(adapter, case, scratch)
        return lambda: getattr(adapter, verb)(given)

    return bind


def _account(verb: str) -> Callable[..., Callable[[], Any]]:
    def bind(adapter: BaseAdapter, case: Case, scratch: Path) -> Callable[[], Any]:
        account = AccountFacts(**case.data.get("account", {}))
        return lambda: getattr(adapter, verb)(account, secrets_of(adapter.catalogue), NOW)

    return bind


def _connect(adapter: BaseAdapter, case: Case, scratch: Path) -> Callable[[], Any]:
    return lambda: adapter.connect(case.data["raw"], case.data.get("hints", {}))


def _stage(adapter: BaseAdapter, case: Case, scratch: Path) -> Callable[[], Any]:
    job = _job(adapter, case, scratch)
    return lambda: adapter.stage(job, job.inputs[0])


VERBS: dict[str, Callable[..., Callable[[], Any]]] = {
    **{verb: _with(_job, verb) for verb in ("submit", "find", "quote", "check")},
    **{verb: _with(_handle, verb) for verb in ("poll", "cancel")},
    **{verb: _account(verb) for verb in ("inspect", "renew", "discover")},
    "receive": _with(_callback, "receive"),
    "connect": _connect,
    "stage": _stage,
}


# -- the normal form -------------------------------------------------------------------------------------------------
def normal(value: Any, *, named: bool = True) -> Any:
    """A result as JSON: its type's name, then every field that is not at its default."""
    if isinstance(value, ProviderError):
        told = {name: getattr(value, name) for name in ("code", "message", "retry_after", "charged", "vendor_code")}
        return {name: normal(item) for name, item in told.items() if item not in (None, "")}
    if is_dataclass(value) and not isinstance(value, type):
        told = {
            item.name: normal(getattr(value, item.name), named=False) for item in fields(value) if _said(value, item)
        }
        return {"type": type(value).__name__, **told} if named else told
    if isinstance(value, Path):
        content = value.read_bytes()
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(value, Mapping):
        return {str(name): normal(item, named=False) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value] if named else [normal(item, named=False) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _said(value: Any, item: Field[Any]) -> bool:
    """Not at its default; a field without one is MISSING, which equals nothing."""
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return bool(getattr(value, item.name) != default)


def shown(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
