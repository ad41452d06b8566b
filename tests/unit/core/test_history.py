"""What a history keeps, which dates it offers, and what its file may say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rollback.core import history, history_file
from rollback.core.history import History
from rollback.core.image import Basis, CreatedFrom, DeployedImage, Image, Skipped
from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from tests.support.image_factory import AT, built, day, digest, image

FLEET = (
    image("billing:1.8.0-master", "2026-11-18"),
    image("billing:1.9.0-master", "2026-11-20"),
    image("cart:2.10.0-master", "2026-11-20"),
    image("cart:2.9.0-master", "2026-11-12"),
)


def tags(found: History, repo: str) -> list[str]:
    return [one.tag for one in found.of(repo)]


def test_the_newest_are_kept_by_time_and_not_by_name() -> None:
    images = [image(f"a:{n}-master", f"2026-11-{d:02}") for n, d in ((9, 1), (10, 3), (2, 4), (100, 2))]

    found = built(images, last=2)

    assert tags(found, "a") == ["2-master", "10-master"]
    assert found.dates == (day("2026-11-04"), day("2026-11-03"))


def test_an_older_image_that_completes_a_date_is_kept_beyond_the_count() -> None:
    found = built(
        [
            image("a:1-master", "2026-11-01"),
            image("a:2-master", "2026-11-10"),
            image("a:3-master", "2026-11-11"),
            image("b:1-master", "2026-11-05"),
            image("b:2-master", "2026-11-09"),
        ],
        last=2,
    )

    assert tags(found, "a") == ["3-master", "2-master", "1-master"]
    assert [str(d) for d in found.dates] == ["2026-11-11", "2026-11-10", "2026-11-09", "2026-11-05"]


def test_an_old_image_that_no_date_needs_is_left_out() -> None:
    found = built(
        [*(image(f"a:{n}-master", f"2026-11-{n:02}") for n in (1, 2, 10, 11)), image("b:1-master", "2026-11-05")],
        last=2,
    )

    assert tags(found, "a") == ["11-master", "10-master", "2-master"]


def test_of_two_images_of_a_day_the_later_one_is_offered() -> None:
    found = built([image("a:9-master", "2026-11-20T08:00:00Z"), image("a:10-master", "2026-11-20T18:00:00Z")])

    assert [one.tag for one in found.by_day()[day("2026-11-20")].values()] == ["10-master"]
    assert history_file.as_json(found)["rollbacks"] == {"2026-11-20": [{"10-master": "a"}]}


def test_two_images_of_one_instant_are_ordered_the_same_way_whoever_answered_first() -> None:
    twins = [image("a:1-master", "2026-11-20"), image("a:2-master", "2026-11-20")]

    assert built(twins) == built(twins[::-1])
    assert sorted(tags(built(twins), "a")) == ["1-master", "2-master"]


def test_as_many_images_are_kept_as_asked_for_however_many_tags_each_has() -> None:
    many = [
        replace(image(f"a:1.{n}-master", f"2026-11-{n:02}"), tags=(f"1.{n}-master", f"a{n}-master", f"b{n}-master"))
        for n in range(1, 21)
    ]

    assert len(built(many, last=10).dates) == 10


def test_two_digests_of_one_build_count_once() -> None:
    pairs = [
        replace(image(f"a:{n}{kind}-master", f"2026-11-{n:02}"), config=digest(f"c{n}"))
        for n in range(1, 6)
        for kind in ("", "-amd64")
    ]

    found = built(pairs, last=2)

    assert [str(d) for d in found.dates] == ["2026-11-05", "2026-11-04"]
    assert len(found.of("a")) == 4


def test_a_file_of_schema_2_is_read_with_one_image_for_each_digest() -> None:
    data = history_file.as_json(built(FLEET))
    old = {key: value for key, value in data.items() if key not in {"basis", "deployed"}}
    members = ("repo", "tag", "digest", "created", "created_from")
    entries = [{key: entry[key] for key in members} for entry in data["images"]]
    entries.append({**entries[0], "tag": "latest-master"})

    found = history_file.loads(json.dumps({**old, "schema": 2, "images": entries}))

    assert found.of("cart")[0].tag == "2.10.0-master"
    assert found.of("cart")[0].tags == ("2.10.0-master", "latest-master")
    assert (found.basis, found.deployed) == (Basis.BUILT, ())
    assert found.dates == built(FLEET).dates


def test_an_undated_repository_is_another_fact_than_a_missing_one() -> None:
    undated = [Skipped("web", f"{n}-master", "undated: created is 1970-01-01", undated=True) for n in range(30)]
    found = history_file.loads(history_file.dumps(built(FLEET, ["billing", "cart", "web", "api"], skipped=undated)))

    assert found.undated("web") == "30 images, none with a usable time (created is 1970-01-01)"
    assert found.undated("api") == ""


def test_days_are_those_of_the_zone() -> None:
    late = image("a:1-master", "2026-11-20T23:30:00Z")

    assert built([late]).dates == (day("2026-11-20"),)
    assert built([late], timezone="Europe/Berlin").dates == (day("2026-11-21"),)


def test_a_repository_without_images_stays_in_all() -> None:
    found = built(FLEET, ["billing", "cart", "web"])

    assert history_file.as_json(found)["all"] == ["billing", "cart", "web"]
    assert found.of("web") == ()


def test_the_file_has_the_members_that_older_readers_know() -> None:
    data = history_file.as_json(built(FLEET))

    assert data["all"] == ["billing", "cart"]
    assert list(data["rollbacks"]) == ["2026-11-20", "2026-11-18", "2026-11-12"]
    assert data["rollbacks"]["2026-11-20"] == [{"1.9.0-master": "billing"}, {"2.10.0-master": "cart"}]
    assert (data["schema"], data["env"], data["tag_env"], data["generated"]) == (3, "prod", "master", AT)
    assert data["images"][0] == {
        "repo": "cart",
        "tag": "2.10.0-master",
        "tags": ["2.10.0-master"],
        "digest": digest("cart:2.10.0-master"),
        "config": "",
        "created": "2026-11-20T12:00:00Z",
        "created_from": "config",
        "basis": "built",
    }
    assert (data["basis"], data["deployed"]) == ("built", [])


def test_what_was_written_is_read_back() -> None:
    since, until = Instant.parse("2026-11-18T09:00:00Z"), Instant.parse("2026-11-20T09:00:00Z")
    made = built(
        FLEET,
        skipped=[Skipped("cart", "signed-master", "not an image: é \u2028")],
        timezone="Europe/Berlin",
        basis=Basis.AUTO,
        deployed=[
            DeployedImage("/ds/prod/shop/cart", "cart", "2.9.0-master", digest("d"), since, until, certain=False),
            DeployedImage("/ds/prod/shop/cart", "cart", "2.10.0-master", "", until),
        ],
    )

    assert history_file.loads(history_file.dumps(made)) == made


def test_a_file_of_the_older_form_is_read() -> None:
    days = '{"2026-11-18": [{"1-master": "billing"}, {"2-master": "cart"}]}'

    found = history_file.loads(f'{{"all": ["billing", "cart"], "rollbacks": {days}}}')

    assert found.repos == ("billing", "cart")
    assert found.dates == (day("2026-11-18"),)
    assert found.of("cart") == (
        Image("cart", "2-master", Instant.parse("2026-11-18T00:00:00Z"), created_from=CreatedFrom.DAY),
    )
    assert (found.env, found.registry, found.generated, found.last) == ("", "", None, 0)


def test_a_day_of_the_older_form_may_be_one_object() -> None:
    found = history_file.loads('{"all": ["a", "b"], "rollbacks": {"2026-11-18": {"1-master": "a", "2-master": "b"}}}')

    assert [one.tag for one in found.by_day()[day("2026-11-18")].values()] == ["1-master", "2-master"]


def changed(**members: Any) -> str:
    return json.dumps({**history_file.as_json(built(FLEET)), **members})


def an_image(**members: Any) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = json.loads(changed())["images"]
    return [{**images[0], **members}, *images[1:]]


HOSTILE = {
    "nothing": ("", "Expecting value"),
    "cut off": (changed()[:200], "line 1"),
    "a list": ("[]", "not a JSON object"),
    "a number": ("1", "not a JSON object"),
    "null": ("null", "not a JSON object"),
    "nested without end": ("[" * 100_000, "deep"),
    "a member twice": ('{"all": [], "all": ["a"], "rollbacks": {}}', "'all' is there twice"),
    "no members": ("{}", "`all` is missing"),
    "no rollbacks": ('{"all": ["a"]}', "`rollbacks` is missing"),
    "rollbacks of another type": (changed(rollbacks=[]), "rollbacks is no object"),
    "all of another type": (changed(all="billing"), "all is not a list"),
    "a repository that is none": (changed(all=["billing", "cart", "../../etc"]), "'../../etc' is not a repository"),
    "a repository of another type": (changed(all=["billing", "cart", 7]), "7 is not a repository"),
    "a repository twice": (changed(all=["billing", "cart", "cart"]), "twice"),
    "a basis that is none": (changed(basis="guessed"), "basis: 'guessed' is not one of built, deployed, auto"),
    "deployed without a time": (changed(deployed=[{"app": "/a"}]), "deployed: "),
    "deployed of a stranger": (
        changed(
            deployed=[
                {
                    "app": "/a",
                    "repo": "stranger",
                    "tag": "",
                    "digest": "",
                    "from": AT,
                    "until": None,
                    "certain": True,
                }
            ]
        ),
        "its app, repo, tag or digest is not one",
    ),
    "a tag of two images": (changed(images=an_image(tags=["2.9.0-master"])), "cart:2.9.0-master is there twice"),
    "a later schema": (changed(schema=4), "schema 4"),
    "a day that is none": (changed(rollbacks={"2026-02-30": []}), "'2026-02-30' is not a date"),
    "a day in another form": (changed(rollbacks={"20261120": []}), "'20261120' is not a date"),
    "a stranger's tag": (changed(rollbacks={"2026-11-20": [{"1-master": "stranger"}]}), "not a tag of one of `all`"),
    "a tag with an option in it": (changed(rollbacks={"2026-11-20": [{"--force": "cart"}]}), "not a tag"),
    "a tag of another type": (changed(rollbacks={"2026-11-20": ["1-master"]}), "not a tag"),
    "two images of a day": (
        changed(rollbacks={"2026-11-20": [{"2.10.0-master": "cart"}, {"2.9.0-master": "cart"}]}),
        "two images of cart",
    ),
    "an image that is not listed": (changed(images=an_image()[1:]), "`images` does not have"),
    "an image of another day": (changed(images=an_image(created="2026-11-19T12:00:00Z")), "was created"),
    "an image without a digest": (changed(images=an_image(digest="")), "cannot be read"),
    "a digest of another type": (changed(images=an_image(digest=5)), "cannot be read"),
    "a stamp that is none": (changed(images=an_image(created="yesterday")), "cannot be read"),
    "a stamp of another type": (changed(images=an_image(created=1700000000)), "cannot be read"),
    "an origin that is none": (changed(images=an_image(created_from=[])), "cannot be read"),
    "an image of another type": (changed(images=["cart"]), "cannot be read"),
    "images of another type": (changed(images={}), "images is not a list"),
    "an image twice": (changed(images=[*an_image(), an_image()[1]]), "is there twice"),
    "a zone that is none": (changed(timezone="Mars/Olympus"), "no time zone"),
    "a zone that is a path": (changed(timezone="../../../etc/passwd"), "no time zone"),
    "a zone that is a folder": (changed(timezone="Europe"), "no time zone"),
    "a zone of another type": (changed(timezone=1), "timezone: 1 is not a text"),
    "a text with an escape sequence": (changed(registry="https://a\x1b[2J"), "registry"),
    "a text with a lone surrogate": (changed(env="\ud800"), "env"),
    "a time that is none": (changed(generated="now"), "generated"),
    "a count that is none": (changed(last=-1), "last"),
    "a count that is true": (changed(last=True), "last"),
    "skipped of another type": (changed(skipped=[{"repo": "a"}]), "skipped"),
    "not a number": ('{"all": ["a"], "rollbacks": {"2026-11-20": NaN}}', "not a JSON number"),
    "a number too long to read": ('{"all": ' + "9" * 5000 + "}", "digits"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_history_is_refused_with_its_mistake(name: str) -> None:
    text, why = HOSTILE[name]

    with pytest.raises(BadInput) as caught:
        history_file.loads(text)

    assert why in caught.value.why
    assert caught.value.exit_code == 2
    assert len(caught.value.why) < 1500
    assert caught.value.why.isprintable()
    assert "rollback get" in caught.value.hint


@pytest.mark.parametrize(
    "members",
    [{"schema": "x" * 100_000}, {"last": ["y"] * 50_000}, {"env": "\x07" * 100_000}, {"all": ["?" * 100_000]}],
)
def test_a_huge_mistake_makes_a_short_message(members: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        history_file.loads(changed(**members))

    assert len(caught.value.why) < 1500


def test_every_mistake_is_named_up_to_a_screenful() -> None:
    with pytest.raises(BadInput) as caught:
        history_file.loads(changed(all=["billing", "cart", *range(30)], timezone=1, last="x"))

    assert "0 is not a repository" in caught.value.why
    assert "and 24 more" in caught.value.why


def test_a_stamp_at_the_edge_of_the_calendar_does_not_break_the_reader() -> None:
    with pytest.raises(BadInput):
        history_file.loads(changed(timezone="America/New_York", images=an_image(created="0001-01-01T00:00:00Z")))


def test_a_day_that_was_edited_to_an_older_image_of_that_day_is_refused() -> None:
    both = [image("a:1-master", "2026-11-20T08:00:00Z"), image("a:2-master", "2026-11-20T18:00:00Z")]
    data = {**history_file.as_json(built(both)), "rollbacks": {"2026-11-20": [{"1-master": "a"}]}}

    with pytest.raises(BadInput, match="cannot be used") as caught:
        history_file.loads(json.dumps(data))

    assert "a:2-master" in caught.value.why


def test_a_service_that_was_edited_out_of_a_day_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        history_file.loads(changed(rollbacks={"2026-11-20": [{"2.10.0-master": "cart"}]}))

    assert "billing:1.9.0-master" in caught.value.why


def test_days_may_be_taken_out_whole() -> None:
    kept = {"2026-11-20": [{"1.9.0-master": "billing"}, {"2.10.0-master": "cart"}]}

    assert history_file.loads(changed(rollbacks=kept)).dates == (day("2026-11-20"),)


def test_unknown_members_are_left_alone() -> None:
    assert history_file.loads(changed(comment={"by": "a later version"})) == built(FLEET)


def test_a_zone_is_known_by_its_name_alone() -> None:
    with pytest.raises(BadInput) as caught:
        history.zone("CEST")

    assert "Europe/Berlin" in caught.value.hint
