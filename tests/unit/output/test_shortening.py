from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.output.shortening import brief, fit_names, fit_tags, shrink

HASH = "3f2a9c1b7e" + "0" * 30


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        (HASH, "3f2a9c1b7e"),
        (f"{HASH}-master", "3f2a9c1b7e-master"),
        (f"main.{HASH}.7-master", "main.3f2a9c1b7e.7-master"),
        (f"sha-{HASH}{'1' * 24}", "sha-3f2a9c1b7e"),
        ("1.8.0-master", "1.8.0-master"),
        (HASH[:39], HASH[:39]),  # no hash that is known
        (f"{HASH}a", f"{HASH}a"),
        (f"x{HASH}", f"x{HASH}"),
    ],
)
def test_only_whole_hashes_are_cut(tag: str, shown: str) -> None:
    assert brief(tag) == shown


def test_a_name_is_cut_in_the_middle_at_its_parts() -> None:
    assert fit_names(["customer-notification-eu", "billing"], 14) == {
        "customer-notification-eu": "customer-…-eu",
        "billing": "billing",
    }


@pytest.mark.parametrize(
    "names",
    [
        ["customer-profile-service-eu", "customer-payment-service-eu"],
        ["internal-customer-platform-billing-eu", "internal-customer-platform-cart-eu"],
        ["a-very-long-common-beginning-x-and-a-common-end", "a-very-long-common-beginning-y-and-a-common-end"],
        [f"service-of-the-platform-team-{number:03}" for number in range(200)],
    ],
)
def test_no_cut_name_could_be_another_one(names: list[str]) -> None:
    shown = fit_names(names, 16)

    assert len(set(shown.values())) == len(names)
    assert all(len(form) <= 16 for form in shown.values())


@pytest.mark.parametrize(
    ("width", "shown"),
    [(10, ["3f2a9c1b7e", "1.8.0"]), (8, ["3f2a9c1b", "1.8.0"]), (7, ["3f2a9c1", "1.8.0"])],
)
def test_of_a_hash_the_first_digits_stay(width: int, shown: list[str]) -> None:
    assert list(fit_tags([HASH, "1.8.0"], width).values()) == shown


@given(st.sets(st.text("ab-", min_size=1, max_size=40), min_size=1, max_size=8), st.integers(1, 40))
def test_a_form_never_exceeds_the_width_and_short_names_stay(names: set[str], width: int) -> None:
    shown = fit_names(names, width)

    assert shown.keys() == names
    assert all(len(form) <= width for form in shown.values())
    assert all(shown[name] == name for name in names if len(name) <= width)


def test_columns_give_way_in_order_and_the_widest_first() -> None:
    assert shrink([20, 30, 30], 60, (((1, 2), 10), ((0,), 8))) == [20, 20, 20]
    assert shrink([20, 30, 30], 36, (((1, 2), 10), ((0,), 8))) == [16, 10, 10]
    assert shrink([20, 30, 30], 1, (((1, 2), 10), ((0,), 8))) == [8, 10, 10]  # there is no more to take
