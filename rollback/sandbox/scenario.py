"""A fortnight in the life of a small shop, ending at night after a release that went wrong.

Four services run in prod: three back ends and one front end. Yesterday afternoon billing, cart and web were
released together. The new versions passed their checks, and gave in some hours later: billing answers 503, web
keeps dying. The day before, everything was well. Catalog was not released for days, so as of that day it is
*carried*. Around them are things that look alike and are none of a rollback's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from typing import Any

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.image_store import Form, ImageStore

PROJECT = "shop"
SERVICES = ("billing", "cart", "catalog", "web")
_TAG_NAMES = {"prod": "master", "preprod": "premaster", "stage": "stage", "dev": "develop"}


@dataclass(frozen=True)
class Release:
    """One image that was pushed.

    Attributes:
        service: its repository is `shop/<service>`.
        version: its tag is `<version>-<tag name of the environment>`.
        created: when it was built.
        environment: deployment name of the environment.
        form: how it is stored.
    """

    service: str
    version: str
    created: datetime
    environment: str = "prod"
    form: Form = Form.DOCKER

    @property
    def repo(self) -> str:
        """The repository."""
        return f"{PROJECT}/{self.service}"

    @property
    def tag(self) -> str:
        """The tag."""
        return f"{self.version}-{_TAG_NAMES[self.environment]}"


@dataclass(frozen=True)
class Scenario:
    """What the sandbox holds when it starts.

    Attributes:
        now: the moment at which the story has arrived.
        releases: every image, oldest first.
        behaviours: of the images that do not simply run, by `<repository>:<tag>`.
        signed: releases that have a cosign signature beside them.
    """

    now: datetime
    releases: tuple[Release, ...]
    behaviors: Mapping[str, ContainerBehavior] = field(default_factory=dict)
    signed: tuple[Release, ...] = ()

    @property
    def good_day(self) -> str:
        """The release date on which everything was well: the day before yesterday, as YYYY-MM-DD."""
        return (self.now.date() - timedelta(days=2)).isoformat()

    def images(self) -> ImageStore:
        """All images, pushed."""
        store = ImageStore()
        for release in self.releases:
            created = release.created.isoformat(timespec="microseconds").replace("+00:00", "217Z")  # nanoseconds
            store.push(release.repo, release.tag, created, release.form, {"maintainer": "shop@example.com"})
        for release in self.signed:
            store.sign(release.repo, release.tag)
        return store

    def installed(self, host: str) -> Iterator[Installed]:
        """What runs: in every environment the newest release of each service.

        Args:
            host: the registry's host and port, for the image references.
        """
        places = dict.fromkeys((release.environment, release.service) for release in self.releases)
        for environment, service in places:
            mine = sorted(
                (r for r in self.releases if (r.environment, r.service) == (environment, service)),
                key=lambda r: r.created,
            )
            deployed = [
                (
                    min(release.created + timedelta(minutes=12), self.now - timedelta(minutes=1)),
                    definition(service, environment, f"{host}/{release.repo}:{release.tag}"),
                )
                for release in mine
            ]
            since, body = deployed[-1]
            yield Installed(body, since, tuple(deployed[:-1]))


@dataclass(frozen=True)
class Installed:
    """An app that runs since some time, and what it was before."""

    definition: dict[str, Any]
    since: datetime
    history: tuple[tuple[datetime, dict[str, Any]], ...] = ()


def fortnight(now: datetime | None = None) -> Scenario:
    """The scenario as of `now` (an aware datetime; the present if it is not given)."""
    now = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)

    def ago(days: int, clock: str) -> datetime:
        day = now.date() - timedelta(days=days)
        return datetime.combine(day, time.fromisoformat(clock), timezone.utc).replace(microsecond=418_306)

    index, oci = Form.INDEX, Form.OCI
    prod = (
        Release("billing", "1.5.0", ago(13, "09:41:07")),
        Release("billing", "1.6.0", ago(9, "13:02:55")),
        Release("billing", "1.7.0", ago(6, "10:18:31")),
        Release("billing", "1.7.1", ago(4, "15:47:12")),
        Release("billing", "1.8.0", ago(2, "14:05:40")),
        Release("billing", "1.9.0", ago(1, "16:31:02")),
        Release("cart", "2.7.0", ago(12, "11:26:18"), form=index),
        Release("cart", "2.8.0", ago(8, "08:55:09"), form=index),
        Release("cart", "2.9.0", ago(4, "15:58:44"), form=index),
        Release("cart", "2.10.0", ago(2, "14:11:23"), form=index),  # sorts before 2.9.0 by name
        Release("cart", "2.11.0", ago(1, "16:36:50"), form=index),
        Release("catalog", "3.2.0", ago(13, "16:10:03"), form=oci),
        Release("catalog", "3.3.0", ago(10, "12:44:36"), form=oci),
        Release("catalog", "3.4.0", ago(6, "10:29:58"), form=oci),
        Release("web", "5.0.0", ago(12, "11:31:47"), form=index),
        Release("web", "5.1.0", ago(9, "13:20:14")),
        Release("web", "5.1.1", ago(7, "17:08:29")),
        Release("web", "5.2.0", ago(4, "16:03:05")),
        Release("web", "5.3.0", ago(2, "14:19:52")),
        Release("web", "5.4.0", ago(1, "16:44:11")),
    )
    others = (
        Release("billing", "1.9.0", ago(3, "09:12:33"), "dev"),
        Release("cart", "2.11.0", ago(3, "11:40:20"), "dev", index),
        Release("web", "5.4.0", ago(2, "09:02:17"), "dev"),
        Release("billing", "1.8.0", ago(5, "12:00:41"), "stage"),
        Release("billing", "1.9.0", ago(2, "17:21:08"), "stage"),
        Release("web", "5.3.0", ago(5, "12:16:25"), "stage"),
        Release("web", "5.4.0", ago(2, "17:33:39"), "stage"),
    )
    decoys = (
        Release("superbilling", "0.3.0", ago(7, "08:21:54")),
        Release("superbilling", "0.4.0", ago(1, "10:13:28")),
        Release("billing", "1.9.0", ago(2, "19:48:15"), "preprod"),
    )
    return Scenario(
        now,
        tuple(sorted((*prod, *others, *decoys), key=lambda release: release.created)),
        {
            # Good enough to be deployed, and to be put back by an undo; not good enough to stay up.
            "shop/billing:1.9.0-master": ContainerBehavior(ContainerOutcome.SICKENS, lasts_s=3 * 3600),
            "shop/web:5.4.0-master": ContainerBehavior(ContainerOutcome.DIES, lasts_s=3 * 3600),
        },
        signed=(prod[4], prod[5]),
    )


def definition(service: str, environment: str, image: str) -> dict[str, Any]:
    """The definition of a service's app, as its team would have written it."""
    front = service == "web"
    return {
        "id": f"/ds/{environment}/{PROJECT}/{service}",
        "instances": (3 if front else 2) if environment == "prod" else 1,
        "cpus": 0.5 if front else 0.25,
        "mem": 512 if front else 384,
        "backoffSeconds": 1,
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": image,
                "forcePullImage": False,
                "parameters": [{"key": "log-opt", "value": "max-size=20m"}],
            },
            "volumes": [
                {"containerPath": "/etc/shop", "hostPath": f"/srv/shop/{environment}/{service}", "mode": "RO"},
                {"containerPath": "/var/log/shop", "hostPath": f"/var/log/shop/{service}", "mode": "RW"},
            ],
            "portMappings": [
                {"containerPort": 8080, "hostPort": 0, "name": "http", "protocol": "tcp", "labels": {}},
                {"containerPort": 9102, "hostPort": 0, "name": "metrics", "protocol": "tcp", "labels": {}},
            ],
        },
        "networks": [{"mode": "container/bridge"}],
        "env": {
            "SHOP_ENVIRONMENT": environment,
            "SHOP_DATABASE_URL": f"postgres://{service}@db.{environment}.example.com:5432/{service}",
            "SHOP_DATABASE_PASSWORD": f"not-a-real-password-of-{service}",
            "JAVA_OPTS": "-Xmx256m -Dgreeting='it''s \"fine\"'",
        },
        "labels": {
            "team": "shop",
            "tier": "front" if front else "back",
            **({"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "shop.example.com"} if front else {}),
        },
        "healthChecks": [
            {
                "protocol": "MESOS_HTTP",
                "path": "/health",
                "portIndex": 0,
                "gracePeriodSeconds": 30,
                "intervalSeconds": 5,
                "timeoutSeconds": 4,
                "maxConsecutiveFailures": 3,
            }
        ],
        "upgradeStrategy": {
            "minimumHealthCapacity": 0.5 if front else 1,
            "maximumOverCapacity": 0.5 if front else 1,
        },
        **({"dependencies": [f"/ds/{environment}/{PROJECT}/cart"]} if front and environment == "prod" else {}),
        **({"resourceLimits": {"cpus": 1, "mem": 768}} if service == "billing" and environment == "prod" else {}),
    }
