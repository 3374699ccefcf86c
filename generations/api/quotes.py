"""What a generation would cost, with a token that holds us to it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.money import show
from accounts.people import acting_workspace
from generations import history, orders, presenting, quoting

from .rows import OrderBody, QuoteRow


class Quotes(APIView):
    @extend_schema(operation_id="quotes_create", request=OrderBody, responses=QuoteRow, tags=["generations"])
    def post(self, request: Request) -> Response:
        """The price of exactly this request; nothing is held."""
        order = orders.read(request.data)
        ready = orders.prepare(order, acting_workspace(request), request.user)
        token, expires_at = quoting.token(ready.price, orders.digest(order))
        return Response(
            {
                "amount": show(ready.price.amount),
                "unit": "credit",
                "lines": list(ready.price.lines),
                "exact": ready.price.exact,
                "model": ready.capability.model_id,
                "operation": ready.capability.operation,
                "expected_seconds": history.expected(ready.capability),
                "token": token,
                "expires_at": presenting.moment(expires_at),
            }
        )
