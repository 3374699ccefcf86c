"""The secrets of an account in the admin: a value goes in and is never shown, its last four characters tell it apart."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from accounts import secrets
from accounts.models import Credential, ProviderAccount
from providers.admin_base import PasswordWidget, TabularInline, display

REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)")


class CredentialForm(forms.ModelForm):
    value = forms.CharField(
        label="New value",
        required=False,
        strip=True,
        widget=PasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown. Empty: stays as it is.",
    )

    class Meta:
        model = Credential
        fields = ["name", "value", "reference"]
        help_texts = {"name": "As the provider's catalogue calls it, for example api_key."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "value", "reference"):  # the table's head is no label
            self.fields[name].widget.attrs["aria-label"] = self.fields[name].label or name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        value, reference = data.get("value"), data.get("reference")
        if value and reference:
            raise forms.ValidationError("Give a value or a reference, not both.")
        if reference and self.instance.account.workspace_id:
            self.add_error(
                "reference", "A workspace's own account takes values only; references are for site-wide accounts."
            )
        elif reference and not REFERENCE.fullmatch(reference):
            self.add_error("reference", "Write env:NAME or file:/path.")
        if not (value or reference or self.instance.ciphertext):
            self.add_error("value", "Give the secret, or for a site-wide account a reference to it.")
        return data

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        account = self.instance.account
        declared = (
            [row["name"] for row in account.provider.catalogue.get("credentials", [])]
            if account.provider_id
            else [name]
        )
        if name not in declared:
            raise forms.ValidationError(
                f"This provider knows no {name}. Known: {', '.join(declared) or 'none, it needs no login'}."
            )
        return str(name)


class CredentialInline(TabularInline):
    model = Credential
    form = CredentialForm
    fields = ["name", "value", "reference", "ends_in", "updated_at"]
    readonly_fields = ["ends_in", "updated_at"]

    @display(description="Ends in")
    def ends_in(self, row: Credential) -> str:
        return f"…{row.last4}" if row.last4 else "hidden" if row.ciphertext else "–"


def store(account: ProviderAccount, data: dict[str, Any], old_name: str | None) -> None:
    name = data["name"]
    if old_name and old_name != name:
        Credential.objects.filter(account=account, name=old_name).update(name=name)
    if data["value"]:
        secrets.store(account, name, data["value"])
    elif data["reference"]:
        defaults = {"reference": data["reference"], "ciphertext": "", "last4": ""}
        Credential.objects.update_or_create(account=account, name=name, defaults=defaults)
