"""Where an order comes from, as far as a browser tells."""

from __future__ import annotations

from argosy.api.http.exchange import Exchange
from argosy.core.errors import PermissionDenied


def refuse_orders_from_elsewhere(exchange: Exchange) -> None:
    """Refuse what a page of another site had a browser send.

    On a server without keys every program of its machine is an operator, and so is every page in its browser.

    Raises:
        PermissionDenied: it comes from such a page.
    """
    origin = exchange.header(b"origin")
    if origin is not None and origin.partition(b"://")[2] != exchange.header(b"host"):
        raise PermissionDenied("Orders from a page of another site are not taken.")
