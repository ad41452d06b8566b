"""Which tags are an environment's, which of them move, and which one an image is shown under."""

from __future__ import annotations

import itertools

import pytest

from rollback.core.environment_tags import EnvironmentTags, check_pattern
from rollback.errors import BadInput

ALL = frozenset({"develop", "stage", "merge-stage", "master", "prod", "prod-eu"})


@pytest.mark.parametrize(
    ("tag", "yes"),
    [
        ("1-master", True),
        ("1.8.0-rc.1-master", True),
        ("master", True),
        ("1-premaster", False),
        ("premaster", False),
        ("-master", False),
        ("1-master-2", False),
        ("1-master2", False),
        ("1_master", False),
        ("1-MASTER", False),
        ("1-maste", False),
        ("latest", False),
        ("", False),
    ],
)
def test_a_tag_belongs_by_its_whole_suffix(tag: str, yes: bool) -> None:
    assert EnvironmentTags("master").fits(tag) is yes


def test_another_pattern_decides_as_a_whole_too() -> None:
    assert EnvironmentTags("master", "{env}_{version}").fits("master_1.2")
    assert not EnvironmentTags("master", "{env}_{version}").fits("premaster_1.2")
    assert not EnvironmentTags("master", "{env}_{version}").fits("1.2-master")
    assert EnvironmentTags("master", "v{version}+b{build}.{env}").fits("v1+b7.master")


def test_signs_in_names_are_no_expression() -> None:
    assert EnvironmentTags("a.b").fits("1-a.b")
    assert not EnvironmentTags("a.b").fits("1-axb")
    assert not EnvironmentTags("master", "{version}.{env}").fits("1xmaster")


@pytest.mark.parametrize(
    ("tag", "pattern", "owner"),
    [
        ("prod-eu-4800", "{env}-{build}", "prod-eu"),
        ("prod-4800", "{env}-{build}", "prod"),
        ("1.2-merge-stage", "{version}-{env}", "merge-stage"),
        ("1.2-stage", "{version}-{env}", "stage"),
        ("prod-eu", "{env}-{build}", "prod-eu"),
    ],
)
def test_a_tag_that_fits_several_environments_belongs_to_the_longest_name(tag: str, pattern: str, owner: str) -> None:
    owners = [name for name in sorted(ALL) if EnvironmentTags(name, pattern, ALL).fits(tag)]

    assert owners == [owner]


def test_without_an_environment_of_the_longer_name_the_shorter_one_has_its_tags() -> None:
    assert EnvironmentTags("stage", others=frozenset({"stage"})).fits("1.2-merge-stage")


def test_a_placeholder_takes_only_what_its_expression_does() -> None:
    tags = EnvironmentTags("prod", "{env}-{build:[0-9]+}")

    assert tags.fits("prod-4800")
    assert not tags.fits("prod-eu-4800")
    assert EnvironmentTags("prod", r"{version:\d{1,2}\.\d+}-{env}").fits("12.4-prod")
    assert not EnvironmentTags("prod", r"{version:\d{1,2}\.\d+}-{env}").fits("123.4-prod")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{version}", "needs {env}"),
        ("{env}-{build:[0-9}", "cannot be read"),
        ("{env}-{build:(a|b)}", "has a group"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_said_to_be_so(pattern: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        check_pattern(pattern)


def test_what_differs_only_in_case_is_a_near_miss_and_does_not_fit() -> None:
    tags = EnvironmentTags("master", others=frozenset({"master", "Master"}))

    assert [tag for tag in ("1-MASTER", "mAster", "1-master", "1-premaster", "1-Master") if tags.near_miss(tag)] == [
        "1-MASTER",
        "mAster",
    ]
    assert "only in case" in tags.near_miss("1-MASTER")


@pytest.mark.parametrize(
    ("tag", "moving"),
    [
        ("master", True),
        ("latest-master", True),
        ("stable-master", True),
        ("1.8.0-master", False),
        ("a1b2c3d-master", False),
        ("v2-master", False),
    ],
)
def test_a_tag_without_a_digit_beside_the_environment_moves(tag: str, moving: bool) -> None:
    assert EnvironmentTags("master").moves(tag) is moving


def test_a_digit_in_the_environment_s_own_name_is_no_version() -> None:
    assert EnvironmentTags("release-2").moves("latest-release-2")


def test_the_most_exact_version_names_an_image_whatever_the_order() -> None:
    tags = EnvironmentTags("master")
    names = ["master", "latest-master", "1-master", "1.8-master", "1.8.0-master", "a1b2c3d-master"]

    assert {tags.best(order) for order in itertools.permutations(names)} == {"1.8.0-master"}
    assert tags.best(["master", "latest-master"]) == "master"
