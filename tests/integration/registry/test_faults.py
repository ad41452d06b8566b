"""What a survey does when answers are late, broken, or not what they should be."""

from __future__ import annotations

import email.utils
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollback.errors import NotInRegistry, RegistryError
from rollback.registry.client import RegistryOptions, connect
from rollback.registry.retry import Budget
from tests.support import registry as real
from tests.support import registry_proxy as fronts
from tests.support.hostile_images import EAGER, Fleet, agrees, lines, look, master
from tests.support.registry_proxy import Asked, Faults, Go, Reply, front

BRIEF = Budget(tries=3, first_s=0.0, wait_s=0.5)


def fail(url: str, repos: list[str] | None = None, budget: Budget = BRIEF) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        connect(RegistryOptions(url), budget=budget).survey(repos or ["shop/many"], master)
    return caught.value


@pytest.mark.parametrize("place", ["/tags/list", "/manifests/", "/blobs/"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fronts.status(500), id="500"),
        pytest.param(fronts.status(502), id="502"),
        pytest.param(fronts.status(503, Retry_After="0"), id="503"),
        pytest.param(fronts.status(504), id="504"),
        pytest.param(fronts.status(408), id="408"),
        pytest.param(fronts.status(429), id="429"),
        pytest.param(fronts.status(429, Retry_After="0"), id="429 in seconds"),
        pytest.param(fronts.status(429, Retry_After=email.utils.formatdate(0, usegmt=True)), id="429 by date"),
        pytest.param(fronts.reset, id="reset"),
        pytest.param(fronts.cut, id="cut"),
    ],
)
def test_a_passing_fault_changes_nothing(fleet: Fleet, place: str, fault: Callable[[Reply], Reply]) -> None:
    with front(fleet.url, Faults(place, fault)) as registry:
        survey = look(registry.url, ["shop/many"])

    assert lines(survey) == fleet.of("shop/many")


@pytest.mark.parametrize("place", ["/manifests/", "/blobs/"])
def test_a_corrupt_answer_is_asked_for_again(fleet: Fleet, place: str) -> None:
    with front(fleet.url, Faults(place, fronts.corrupt)) as registry:
        agrees(look(registry.url), fleet)


@pytest.mark.parametrize("place", ["/manifests/", "/blobs/"])
def test_an_answer_that_stays_corrupt_is_refused(fleet: Fleet, place: str) -> None:
    with front(fleet.url, Faults(place, fronts.corrupt, times=99)) as registry:
        error = fail(registry.url)

    assert error.what == f"shop/many cannot be read from {registry.url}"
    assert "the answer is corrupt: expected sha256:" in error.why
    assert error.why.endswith("twice")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (fronts.status(503), "127.0.0.1 answered 503 Service Unavailable; given up after 3 tries"),
        (
            fronts.status(429, Retry_After="3600"),
            "127.0.0.1 answered 429 Too Many Requests and wants us to wait 3600 s; given up after 1 try",
        ),
        (fronts.status(400), "400 FAULT: a fault"),
        (fronts.status(302), "302 FAULT: a fault"),
        (fronts.reset, "the connection to 127.0.0.1 broke"),
        (fronts.cut, "the connection to 127.0.0.1 broke: IncompleteRead"),
    ],
)
@pytest.mark.parametrize(
    ("place", "about"), [("/tags/list", "the list of tags: "), ("/manifests/", "tag "), ("/blobs/", "the config: ")]
)
def test_a_lasting_fault_names_registry_repository_and_cause(
    fleet: Fleet, place: str, about: str, fault: Callable[[Reply], Reply], cause: str
) -> None:
    with front(fleet.url, Faults(place, fault, times=99)) as registry:
        error = fail(registry.url)

    assert error.what == f"shop/many cannot be read from {registry.url}"
    assert error.why.startswith(about)
    assert cause in re.sub(r" in \d+ s\b", "", error.why)


def test_one_repository_that_cannot_be_read_ends_the_whole_survey(fleet: Fleet) -> None:
    with front(fleet.url, Faults("/shop/dates/", fronts.status(500), times=99)) as registry:
        error = fail(registry.url, ["shop/many", "shop/dates", "shop/forms"])

    assert error.what.startswith("shop/dates cannot be read")


def test_a_registry_that_is_down_is_said() -> None:
    error = fail("http://127.0.0.1:9", ["shop/billing"])

    assert error.what == "shop/billing cannot be read from http://127.0.0.1:9"
    assert "no connection to 127.0.0.1: Connection refused; given up after 3 tries" in error.why


def test_a_login_page_is_not_taken_for_an_answer(fleet: Fleet) -> None:
    page = Reply(200, {"Content-Type": "text/html"}, b"<html><title>Sign in</title></html>")

    for place, cause in [("/tags/list", "not a list of tags but 'text/html'"), ("/manifests/", "not a manifest but")]:
        with front(fleet.url, Faults(place, lambda _reply: page, times=99)) as registry:
            assert cause in fail(registry.url).why


def test_a_pause_that_one_request_is_told_is_kept_by_all(fleet: Fleet) -> None:
    arrived: list[float] = []
    told = threading.Event()
    pause_s = 1.0

    def busy(asked: Asked, go: Go) -> Reply:
        if "/blobs/" in asked.path:
            if not told.is_set():
                told.set()
                arrived.append(time.monotonic())
                return fronts.refusal(429, "TOOMANYREQUESTS", "slow down").with_headers(Retry_After=str(int(pause_s)))
            arrived.append(time.monotonic())
        return go()

    with front(fleet.url, busy) as registry:
        survey = look(registry.url, ["shop/many"], connections=4)

    assert lines(survey) == fleet.of("shop/many")
    # The other three may have been on their way already.
    assert sum(at - arrived[0] < pause_s * 0.9 for at in arrived[1:]) <= 3


def test_answers_that_drip_slowly_are_waited_for(fleet: Fleet) -> None:
    slow = Faults("/tags/list", lambda reply: replace(reply, drip_s=0.001))
    with front(fleet.url, slow) as registry:
        survey = look(registry.url, ["shop/many"])

    assert lines(survey) == fleet.of("shop/many")


def test_a_survey_that_takes_too_long_says_what_it_waits_for_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    never = threading.Event()

    def dead(_asked: Asked, _go: Go) -> Reply:
        never.wait()
        return Reply(gone=True)

    with front("", dead) as registry:
        client = connect(RegistryOptions(registry.url, deadline_s=1.5))
        with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:\d+ was not read within 1\.5 s") as caught:
            client.survey(["shop/many"], master)
        never.set()
        client.close()

    assert caught.value.why == "0 of 0 tags are read, of those that it has listed so far"
    assert "registry.deadline_s" in caught.value.hint
    assert re.search(r"waiting for 127\.0\.0\.1, for up to [01] s", caplog.text)


@pytest.mark.parametrize("rule", [fronts.zipped, fronts.untyped])
def test_compressed_answers_and_answers_without_type_and_digest_are_read(fleet: Fleet, rule: fronts.Rule) -> None:
    with front(fleet.url, rule) as registry:
        agrees(look(registry.url), fleet)


def test_an_enormous_document_costs_its_tag_and_not_the_memory(fleet: Fleet) -> None:
    def huge(asked: Asked, go: Go) -> Reply:
        reply = go()
        if "/blobs/" in asked.path:
            return replace(reply, body=b" " * (9 << 20))
        return reply

    with front(fleet.url, huge) as registry:
        survey = look(registry.url, ["shop/broken"])

    reasons = {one.tag: one.reason for one in survey.skipped}
    assert survey.resolved == ()
    assert reasons["1-master"] == "its config is larger than 8 MiB"


def test_redirects_in_a_circle_end(fleet: Fleet) -> None:
    circle = fronts.status(307, Location="/v2/shop/many/tags/list?n=1000")
    with front(fleet.url, Faults("/tags/list", circle, times=99)) as registry:
        assert "more than 5 redirects" in fail(registry.url).why


def test_a_digest_is_asked_by_get_where_head_is_not_known(fleet: Fleet) -> None:
    def old(asked: Asked, go: Go) -> Reply:
        return fronts.refusal(404, "X", "no") if asked.method == "HEAD" and "/manifests/" in asked.path else go()

    repo, tag, digest, *_rest = fleet.of("shop/forms")[0]
    with front(fleet.url, old) as registry:
        client = connect(RegistryOptions(registry.url), budget=EAGER)

        assert client.digest(repo, tag) == digest
        with pytest.raises(NotInRegistry, match="shop/forms:none is not in"):
            client.digest(repo, "none")


def test_what_is_incomplete_is_said_part_by_part(fleet: Fleet) -> None:
    client = connect(RegistryOptions(fleet.url))
    tags = {tag: client.digest("shop/broken", tag) for tag in ("1-master", "config-master", "child-master")}

    client.complete("shop/broken", tags["1-master"])
    with pytest.raises(NotInRegistry, match="the config is gone"):
        client.complete("shop/broken", tags["config-master"])
    with pytest.raises(NotInRegistry, match="the manifest for linux/amd64 is gone"):
        client.complete("shop/broken", tags["child-master"])


def test_a_registry_that_is_down_is_not_a_tag_that_is_gone() -> None:
    client = connect(RegistryOptions("http://127.0.0.1:9"), budget=BRIEF)

    for ask in (lambda: client.digest("a/b", "c"), lambda: client.complete("a/b", "sha256:" + "0" * 64)):
        with pytest.raises(RegistryError, match="a/b cannot be read from") as caught:
            ask()
        assert not isinstance(caught.value, NotInRegistry)


@pytest.mark.parametrize("program", ["docker-registry"], indirect=True)  # Distribution 3 converts nothing any more
def test_a_schema_1_manifest_is_never_read_for_the_date(fleet: Fleet, tmp_path: Path) -> None:
    history = [{"created": "2026-01-01T00:00:00Z", "created_by": "a step"}]
    config = {"history": history, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}
    digest = real.push_image(fleet.url, "other/old", "1-master", "2026-01-01T00:00:00Z", config=config)

    with front("", fronts.deaf(fleet.url)) as registry:
        survey = look(registry.url, ["other/old"], cache=tmp_path)
        with pytest.raises(RegistryError, match=r"other/old:1-master in http://\S+ has only a schema 1 manifest"):
            connect(RegistryOptions(registry.url), budget=EAGER).digest("other/old", "1-master")
    again = look(fleet.url, ["other/old"], cache=tmp_path)

    assert survey.resolved == ()
    assert [one.reason for one in survey.skipped] == ["only an old schema 1 manifest, which has no dependable digest"]
    assert [image.digest for image in again.resolved] == [digest]


def test_a_proxy_that_drops_the_accept_header_is_found_out(fleet: Fleet) -> None:
    listed = next(digest for _repo, tag, digest, *_ in fleet.of("shop/forms") if tag == "oci-master")

    with front("", fronts.deaf(fleet.url)) as registry:
        error = fail(registry.url, ["shop/forms"])
        client = connect(RegistryOptions(registry.url), budget=BRIEF)
        with pytest.raises(RegistryError, match="cannot be read from") as caught:
            client.digest("shop/forms", "oci-master")
        with pytest.raises(RegistryError, match="cannot be read from") as completed:
            client.complete("shop/forms", listed)

    for refused in (error, caught.value, completed.value):
        assert refused.why.endswith(("accept header does not support OCI manifests",
                                     "accept header does not support OCI indexes",
                                     "Schema 2 manifest not supported by client"))  # fmt: skip
        assert refused.hint == "a proxy in between seems to drop the Accept header"


def test_a_hundred_thousand_tags_cost_no_more_than_their_list(fleet: Fleet) -> None:
    tags = [f"{number:06}-feature" for number in range(100_000)] + ["1-master"]

    def long(asked: Asked, go: Go) -> Reply:
        return Reply(200, {}, json.dumps({"tags": tags}).encode()) if "/tags/" in asked.path else go()

    with front(fleet.url, long) as registry:
        client = connect(RegistryOptions(registry.url), budget=EAGER)
        survey = client.survey(["shop/broken"], master)

    assert [image.tag for image in survey.resolved] == ["1-master"]
    assert client.counts.requests == 3
