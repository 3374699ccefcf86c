"""Other people's models in our admin's clothes: users, groups, mail addresses, second factors, the queue's own rows."""

from __future__ import annotations

from typing import Any

from allauth.account.admin import EmailAddressAdmin as BaseEmailAddressAdmin
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.admin import AuthenticatorAdmin as BaseAuthenticatorAdmin
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django_q import admin as queue
from django_q.models import Failure, OrmQ, Schedule, Success

from accounts import keys
from accounts.admin.people import shown_once
from accounts.errors import Refused
from providers.admin_base import (
    AdminPasswordChangeForm,
    ModelAdmin,
    ReadOnly,
    UserChangeForm,
    UserCreationForm,
    action,
    ask,
    pretty,
)

# one way to sign in, second factor included
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

# importing the modules above has registered each of these already
for model in (User, Group, EmailAddress, Authenticator, Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions_detail = ["signin_link"]

    @action(description="Sign-in link", icon="link", permissions=["change"])
    def signin_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Make a sign-in link", button="Make it", refusals=(Refused,),
            text="Whoever opens it within a day is signed in as this person, once. Hand it over by a safe way.",
            run=lambda user, data: shown_once(self, request, title=f"Signs in {user}", secret=_link(request, user)),
        )  # fmt: skip


def _link(request: HttpRequest, user: Any) -> str:
    if not user.is_active:
        raise Refused("conflict", f"{user} is switched off. Make the user active first.", status=409)
    if user.is_superuser and not request.user.is_superuser:
        raise Refused("forbidden", "Only a superuser may sign in as one.", status=403)
    path = keys.signin_link(user)
    return f"{settings.APP_URL}{path}" if settings.APP_URL else request.build_absolute_uri(path)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


@admin.register(EmailAddress)
class EmailAddressAdmin(BaseEmailAddressAdmin, ModelAdmin):
    pass


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly, BaseAuthenticatorAdmin, ModelAdmin):
    """The secret in `data` is nobody's to read; removing one lets a locked-out person in again."""

    fields = ["user", "type", "created_at", "last_used_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_act_permission(request)


@admin.register(Schedule)
class ScheduleAdmin(queue.ScheduleAdmin, ModelAdmin):
    pass


@admin.register(Success)
class SuccessAdmin(ReadOnly, queue.TaskAdmin, ModelAdmin):
    actions: list[Any] = []


@admin.register(Failure)
class FailureAdmin(ReadOnly, queue.FailAdmin, ModelAdmin):
    """A failed message: the rows it was about are picked up again by themselves, so there is nothing to send again."""

    actions: list[Any] = []
    fields = ["name", "func", "cluster", ("started", "stopped"), "attempt_count", "traceback"]
    readonly_fields = ["traceback"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.readonly_fields]

    @admin.display(description="What went wrong")
    def traceback(self, row: Failure) -> str:
        return pretty(str(row.result or ""))


if not settings.REDIS_URL:

    @admin.register(OrmQ)
    class QueueAdmin(ReadOnly, queue.QueueAdmin, ModelAdmin):
        """Doorbells that have not been answered yet; losing one costs seconds, never a job."""

        list_display = ["id", "key", "name", "func", "lock"]
        fields = ["key", "lock", "name", "func"]
        readonly_fields = ["name", "func"]
