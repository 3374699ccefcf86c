"""What the supervisor's children do: serve pages, serve one queue cluster, watch the clusters. Nothing of it starts on import."""

from __future__ import annotations

import gc
import os
import socket
import warnings
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import connections

from .children import Plan
from .environment import env

CLUSTERS = ("default", "poll", "io")


def preload() -> None:
    """Everything the children need, loaded once and kept out of the collector's sight, so that its pages stay shared."""
    import django_q.cluster
    import uvicorn.protocols.http.auto
    from django.urls import get_resolver

    import generations.tasks
    import mediagen_site.signs

    _ = django_q, uvicorn, generations, mediagen_site, get_resolver().url_patterns
    gc.collect()
    gc.freeze()


def webs(door: socket.socket) -> list[Plan]:
    """The web servers, all at one door: it stays open while one of them starts again."""
    count = env.int("WEB_CONCURRENCY", default=1)
    names = ["web"] if count == 1 else [f"web{number}" for number in range(1, count + 1)]
    return [Plan(name, partial(web, door), keep=(door.fileno(),)) for name in names]


def web(door: socket.socket) -> None:
    import uvicorn

    warnings.filterwarnings("ignore", "No directory at")  # collected static files: only images have them
    config = uvicorn.Config(
        "mediagen_site.asgi:application",
        lifespan="off",
        timeout_graceful_shutdown=3,
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=env.bool("BEHIND_PROXY", default=False),
        forwarded_allow_ips=env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1"),
    )
    uvicorn.Server(config).run(sockets=[door])


def workers(names: Sequence[str] = CLUSTERS) -> list[Plan]:
    from .signs import watch

    return [*(Plan(name, partial(cluster, name), cluster=name) for name in names), Plan("watch", partial(watch, names))]


def cluster(name: str) -> None:
    """A queue cluster as `Q_CLUSTER_NAME=... manage.py qcluster` would start it."""
    from django_q.cluster import Cluster

    os.environ["Q_CLUSTER_NAME"] = name
    configure(name)
    connections.settings["default"]["CONN_MAX_AGE"] = (
        60  # it asks five times a second: not over a new connection each time
    )
    running = Cluster()
    running.start()
    running.sentinel.join()


def configure(name: str) -> None:
    """The queue read its settings when it was loaded, before the fork; this cluster's own are laid over them."""
    from django_q.conf import Conf

    own = settings.Q_CLUSTER["ALT_CLUSTERS"].get(name, {})
    for key, value in {"cluster_name": name, **own}.items():
        if not hasattr(Conf, key.upper()):
            raise ValueError(f"Q_CLUSTER has {key!r} for cluster {name}, which the queue does not know.")
        setattr(Conf, key.upper(), value)
