"""Who may make an account: nobody by the sign-up page, unless the operator opens it (OPEN_SIGNUP)."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.ADMINS_OPEN_SIGNUP)
