"""The one place that knows the admin's look: it alone imports unfold, so that a return to stock admin is this one file.

It stands in the lowest room because every room has an admin. Nothing changes on a GET: an action that changes something
asks first (`ask`), with a form where it needs one, and acts on the POST.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.admin import StackedInline as UnfoldStackedInline
from unfold.admin import TabularInline as UnfoldTabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

__all__ = [
    "AdminPasswordChangeForm",
    "Form",
    "ModelAdmin",
    "PasswordWidget",
    "ReadOnly",
    "StackedInline",
    "TabularInline",
    "TextareaWidget",
    "UserChangeForm",
    "UserCreationForm",
    "action",
    "ask",
    "display",
    "link",
    "money",
    "pretty",
    "when",
]

PasswordWidget = UnfoldAdminPasswordWidget
TextareaWidget = UnfoldAdminTextareaWidget
MICROS = 1_000_000

# the admin's input for a plain form field that brought none of its own
WIDGETS: dict[type[forms.Field], type[forms.Widget]] = {
    forms.CharField: UnfoldAdminTextInputWidget,
    forms.ChoiceField: UnfoldAdminRadioSelectWidget,
    forms.DecimalField: UnfoldAdminDecimalFieldWidget,
    forms.IntegerField: UnfoldAdminIntegerFieldWidget,
    forms.ModelChoiceField: UnfoldAdminSelectWidget,
    forms.MultipleChoiceField: UnfoldAdminCheckboxSelectMultipleWidget,
    forms.SplitDateTimeField: UnfoldAdminSplitDateTimeWidget,
}


class ModelAdmin(UnfoldModelAdmin):
    list_per_page = 50
    list_filter_sheet = True
    warn_unsaved_form = True
    formfield_overrides: Mapping[type[models.Field[Any, Any]], Mapping[str, Any]] = {
        models.URLField: {"assume_scheme": "https"}
    }


class TabularInline(UnfoldTabularInline):
    extra = 0
    hide_title = True


class StackedInline(UnfoldStackedInline):
    extra = 0


class ReadOnly:
    """For rows that only the rooms write. `act` is the permission of actions that call a room's verb on such a row."""

    opts: Any

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(may(request, self.opts, verb) for verb in ("view", "change"))

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.opts, "change")


def may(request: HttpRequest, opts: Any, verb: str) -> bool:
    return request.user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}")


class Form(forms.Form):
    """A form of an action, in the admin's clothes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if type(field) in WIDGETS and type(field.widget) is type(field).widget:
                _dress(field, WIDGETS[type(field)]())


def _dress(field: Any, widget: Any) -> None:
    if hasattr(field, "choices"):
        widget.choices = field.choices
    widget.is_required = field.required
    field.widget = widget


Refusal = type[Exception]
Run = Callable[[Any, dict[str, Any]], str | HttpResponse]


def ask(
    admin: Any,
    request: HttpRequest,
    object_id: str | None,
    *,
    title: str,
    text: str,
    button: str,
    run: Run,
    form: type[forms.Form] = Form,
    refusals: tuple[Refusal, ...] = (),
    danger: bool = False,
) -> HttpResponse:
    """Show what is about to happen, with its form; on the POST run it. `run(object, data)` answers with the sentence
    to show afterwards, or with a page of its own. A refusal stands above the form, or beside the field it names."""
    row = _object(admin, request, object_id)
    filled = form(request.POST) if request.method == "POST" else form()
    if request.method == "POST" and filled.is_valid():
        try:
            done = run(row, filled.cleaned_data)
        except refusals as refusal:
            _tell(filled, refusal)
        else:
            if isinstance(done, HttpResponse):
                return done
            messages.success(request, done)
            return HttpResponseRedirect(_back(admin, row))
    return TemplateResponse(
        request,
        "admin/ask.html",
        {
            **admin.admin_site.each_context(request), "opts": admin.opts, "object": row, "title": title, "text": text, "button": button,
            "form": filled, "danger": danger, "back": _back(admin, row),
        },
    )  # fmt: skip


def _object(admin: Any, request: HttpRequest, object_id: str | None) -> Any:
    if object_id is None:
        return None
    row = admin.get_object(request, unquote(object_id))
    if row is None:
        raise Http404(f"There is no {admin.opts.verbose_name} {object_id}.")
    return row


def _tell(form: forms.Form, refusal: Exception) -> None:
    fields = {name: words for name, words in getattr(refusal, "fields", {}).items() if name in form.fields}
    for name, words in fields.items():
        form.add_error(name, words)
    if not fields:
        form.add_error(None, str(refusal))


def _back(admin: Any, row: Any) -> str:
    name = f"{admin.admin_site.name}:{admin.opts.app_label}_{admin.opts.model_name}"
    return reverse(f"{name}_change", args=[row.pk]) if row is not None else reverse(f"{name}_changelist")


# -- how values are shown ------------------------------------------------------------------------------------------------
def pretty(value: Any) -> SafeString | str:
    """JSON (or a text with lines) as it is, in a box that scrolls by itself."""
    if value in (None, "", {}, []):
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="mg-pre" tabindex="0">{}</pre>', text)


def link(row: Any, words: str = "") -> SafeString | str:
    """To the row's own page in the admin."""
    if row is None:
        return "–"
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="mg-link" href="{}">{}</a>', address, words or str(row))


def money(micros: int | None, *, signed: bool = False) -> SafeString | str:
    """Credits with the places they need, aligned by CSS; nothing known is a dash."""
    if micros is None:
        return "–"
    credits = Decimal(micros) / MICROS
    text = f"{credits:+,.2f}" if signed else f"{credits:,.2f}"
    exact = f"{credits:,f}"
    return format_html('<span class="mg-number" title="{}">{}</span>', exact, text)


def when(name: str, title: str) -> Callable[[Any, Any], SafeString | str]:
    """A column for a time: short, to the second, the same everywhere."""

    @display(description=title, ordering=name)
    def shown(admin: Any, row: Any) -> SafeString | str:
        moment = getattr(row, name)
        if moment is None:
            return "–"
        words = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
        return format_html('<time class="mg-number" datetime="{}">{}</time>', moment.isoformat(), words)

    return shown
