"""Equal ids in a bulk run, and ids that are not strings."""

from __future__ import annotations

from collections import Counter

import pytest
from bulk_run_helpers import LookUps, found_ids, read_all
from stub_transport import refused

from elevenphone import Failed, Found, InvalidPhoneNumberIdError, NotFoundError


@pytest.mark.parametrize("ordered", [False, True])
def test_equal_ids_share_the_request_in_flight(ordered: bool) -> None:
    lookups, look_ups = read_all(["a", "b", "a", "a", "b"], ordered=ordered)
    assert sorted(look_ups.requested) == ["a", "b"]
    assert Counter(found_ids(lookups)) == {"a": 3, "b": 2}
    assert sorted(lookup.index for lookup in lookups) == list(range(5))


def test_an_earlier_result_is_reused_for_an_equal_id() -> None:
    ids = ["a", *map(str, range(100)), "a"]
    lookups, look_ups = read_all(ids, LookUps(slots=1))
    assert look_ups.requested.count("a") == 1
    assert {lookup.index for lookup in lookups if lookup.phone_number_id == "a"} == {0, 101}


def test_a_failed_id_is_not_requested_again() -> None:
    lookups, look_ups = read_all(["a", "a"] * 20, LookUps(errors={"a": refused(404)}))
    assert look_ups.requested == ["a"]
    assert [isinstance(lookup, Failed) and isinstance(lookup.error, NotFoundError) for lookup in lookups] == [
        True
    ] * 40


def test_a_run_remembers_a_limited_number_of_results() -> None:
    ids = ["a", *map(str, range(100)), "a"]
    _, few = read_all(ids, LookUps(slots=1), remembered=50)
    _, many = read_all(ids, LookUps(slots=1), remembered=200)
    _, whole = read_all(ids, LookUps(slots=1), remembered=None)
    assert [used.requested.count("a") for used in (few, many, whole)] == [2, 1, 1]


# Ids that are not strings


@pytest.mark.parametrize("ordered", [False, True])
def test_an_id_that_is_not_a_string_fails_alone(ordered: bool) -> None:
    ids: list[str] = ["a", None, 5, b"b", ["c"], {}, 1.5, "d"]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    lookups, look_ups = read_all(ids, ordered=ordered)
    assert sorted(look_ups.requested) == ["a", "d"]
    assert sorted(lookup.index for lookup in lookups) == list(range(8))
    for lookup in lookups:
        if lookup.index in (0, 7):
            assert isinstance(lookup, Found)
        else:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, InvalidPhoneNumberIdError)
            assert lookup.attempts == 0


@pytest.mark.parametrize("ids", [["5", 5, "5", "5"], [5, "5", 5, "5"]], ids=["str first", "int first"])
def test_a_number_and_a_string_that_look_alike_are_different_ids(ids: list[str]) -> None:
    lookups, _ = read_all(ids, LookUps(slots=1))
    answered = {lookup.index: isinstance(lookup, Found) for lookup in lookups}
    assert answered == {index: isinstance(one, str) for index, one in enumerate(ids)}
