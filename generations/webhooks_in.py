"""Providers calling back: the unguessable token names the attempt, the adapter checks the signature, a look is brought forward.

Nothing of the message is believed beyond "look now": lost, doubled or forged callbacks change no result.
"""

from __future__ import annotations

import logging
import time

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.errors import Refused
from providers.errors import ProviderError
from providers.types import Callback

from . import calling, lifecycle
from .models import Attempt

logger = logging.getLogger("mediagen.callbacks")
MOST = 2**20
# what the adapter found wrong -> our answer
REFUSALS = {"auth_failed": 403, "session_expired": 403, "session_revoked": 403, "unsupported": 404}


class Receive(APIView):
    """Public: the token in the address and the vendor's signature are the proof."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(exclude=True)
    def post(self, request: Request, provider: str, token: str) -> Response:
        attempt = _attempt(provider, token)
        if attempt is None:
            raise NotFound
        body = request._request.read(MOST + 1)
        if len(body) > MOST:
            raise Refused("too_large", "A callback may hold 1 MB.", status=413)
        try:
            remote_id = _verified(attempt, request, body)
        except ProviderError as error:
            logger.warning(
                "callback refused provider=%s attempt=%s code=%s: %s", provider, attempt.pk, error.code, error.message
            )
            raise Refused(error.code, "This callback is not accepted.", status=REFUSALS.get(error.code, 400)) from error
        lifecycle.callback(attempt, remote_id)
        return Response({"ok": True})


def _attempt(provider: str, token: str) -> Attempt | None:
    """One look at a unique index, whether the token exists or not."""
    rows = Attempt.objects.select_related(
        "generation__workspace", "generation__capability__provider", "capability__provider", "account__provider"
    )
    found = rows.filter(callback_token=token[:64]).first()
    return found if found and found.callback_token == token and found.capability.provider.slug == provider else None


def _verified(attempt: Attempt, request: Request, body: bytes) -> str:
    """The adapter's word on the signature, and the job's id there; a job of another id is not ours."""
    line = calling.open_line(attempt)
    callback = Callback(
        method=request.method or "POST",
        path=request.path,
        query=request.query_params.dict(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        secrets=line.site.secrets,
        now=time.time(),
    )
    remote_id, _ = line.adapter.receive(callback)
    if remote_id and attempt.remote_id and remote_id != attempt.remote_id:
        raise ProviderError("auth_failed", "The callback is about another job.")
    return remote_id
