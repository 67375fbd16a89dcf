"""Pages of an audience: the way from one group or roster to the next."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pages import start_after


@given(st.sets(st.text("abc019:-", min_size=1), min_size=1))
def test_each_group_is_come_to_once_and_in_order(names: set[str]) -> None:
    ordered = sorted(names)
    walked, token = [ordered[0]], start_after(ordered[0], ordered)
    while token:
        walked.append(token.removesuffix(" "))
        token = start_after(walked[-1], ordered)

    assert walked == ordered


def test_a_group_that_is_not_among_them_is_followed_by_the_one_behind_it() -> None:
    assert start_after("b", ["a", "c"]) == "c "
