"""Finding a target by its kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback import targets
from rollback.errors import BadInput
from rollback.targets import connect, kinds
from rollback.targets.base import TargetOptions

REQUIRED = {"context", "namespace", "environments"}


def test_a_kind_is_a_module() -> None:
    assert kinds() == ("dcos", "kubernetes", "marathon")


def test_a_target_that_is_called_like_its_kind_needs_no_more() -> None:
    assert connect(TargetOptions("dcos", {})).name == "dcos"


@pytest.mark.parametrize("kind", ["nomad", "base", "../dcos", ""])
def test_another_kind_is_refused_and_the_kinds_are_named(kind: str) -> None:
    with pytest.raises(BadInput) as caught:
        connect(TargetOptions("prod", {"kind": kind}))

    assert "dcos, kubernetes, marathon" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"kind": "marathon", "url": "https://m", "urll": "x"}, ("urll", "there is no such key")),
        ({"kind": "marathon", "url": 8080}, ("url", "expected a text, found 8080")),
        ({"kind": "marathon", "url": "https://m", "insecure": "yes"}, ("insecure", "expected true or false")),
        ({"kind": "dcos", "programm": "dcos"}, ("programm", "there is no such key")),
    ],
)
def test_a_mistake_in_a_targets_own_section_is_named(section: dict[str, object], told: tuple[str, str]) -> None:
    ((key, what),) = targets.mistakes(TargetOptions("mine", section))

    assert (key, what.startswith(told[1])) == (told[0], True)


@pytest.mark.parametrize(("kind", "required"), [("dcos", set()), ("marathon", set()), ("kubernetes", REQUIRED)])
def test_a_kind_says_which_keys_it_requires(kind: str, required: set[str]) -> None:
    assert {key for key, _ in targets.mistakes(TargetOptions("mine", {"kind": kind}))} == required


KUBERNETES = {"kind": "kubernetes", "context": "prod-eu", "namespace": "shop-{env}"}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"namespace": ["shop-{env}", ""]}, "expected a text or a list of texts"),
        ({"namespace": "Shop-{env}"}, "cannot be the name of a namespace"),
        ({"namespace": "{department}-{env}"}, "there is no {department} here"),
        ({"kinds": ["pods"]}, "there is no kind 'pods'"),
        ({"namespace": "shop"}, "nothing distinguishes the environments"),
    ],
)
def test_a_mistake_in_a_section_for_kubernetes_is_named(section: dict[str, object], told: str) -> None:
    ((_, what),) = targets.mistakes(TargetOptions("mine", {**KUBERNETES, **section}))

    assert told in what


@pytest.mark.parametrize(
    "more", [{}, {"namespace": ["a-{env}", "b"]}, {"namespace": "shop", "environments": ["prod"]}]
)
def test_a_section_for_kubernetes_tells_the_environments_apart(more: dict[str, object]) -> None:
    assert targets.mistakes(TargetOptions("mine", {**KUBERNETES, **more})) == ()


def test_an_environment_that_a_target_does_not_serve_is_refused_before_anything_is_contacted() -> None:
    section = {**KUBERNETES, "environments": ["prod"], "program": "/nowhere/kubectl"}

    with pytest.raises(BadInput, match="stage is not one of the target mine"):
        connect(TargetOptions("mine", section, env="stage"))


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("/{env}/x", "it needs {service} and {env}"), ("{env}/{service}", "an app's id begins with /")],
)
def test_a_pattern_that_cannot_name_one_app_is_a_mistake(pattern: str, what: str) -> None:
    ((key, told),) = targets.mistakes(TargetOptions("mine", {"kind": "dcos"}), pattern)

    assert (key, told.startswith(what)) == ("app_id", True)


def test_a_variable_of_the_kind_goes_before_the_section() -> None:
    section = {"kind": "marathon", "url": "http://file", "insecure": True}

    found = targets.complete("mine", section, {"ROLLBACK_MARATHON_URL": "http://variable"})

    assert found == {"kind": "marathon", "url": "http://variable", "insecure": True}
    assert targets.complete("mine", section, {}) == section


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("dcos", {"program": "dcos"}),
        ("dcos", {"program": "./dcos"}),
        ("kubernetes", {"program": "kubectl", "context": "c", "namespace": "shop-{env}"}),
        ("kubernetes", {"kubeconfig": "kc", "context": "c", "namespace": "shop-{env}"}),
    ],
)
def test_settings_that_others_can_write_to_may_not_name_programs(name: str, section: dict[str, Any]) -> None:
    options = TargetOptions(name, section)
    assert targets.mistakes(options) == ()

    (mistake,) = targets.mistakes(replace(options, distrust="everybody can write to it"))

    assert mistake == (next(iter(section)), "this file may not name programs: everybody can write to it")


@pytest.mark.parametrize("key", ["program", "kubeconfig"])
def test_a_program_that_others_can_write_to_is_not_used(key: str, tmp_path: Path) -> None:
    (tmp_path / "found").write_text("")
    (tmp_path / "found").chmod(0o777)
    section = {key: "./found", "context": "c", "namespace": "shop-{env}"}

    (mistake,) = targets.mistakes(TargetOptions("kubernetes", section, folder=tmp_path))

    assert mistake[0] == key
    assert "is not used: its group and everybody can write to it (mode 0777)" in mistake[1]
