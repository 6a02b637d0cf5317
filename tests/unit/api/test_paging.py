from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from api.bodies import ID_MAX
from api.problems import ProblemError
from api.routes.paging import decode_cursor, decode_id, encode_cursor


@given(place=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100))
def test_a_cursor_says_where_a_page_ended(place: str) -> None:
    assert decode_cursor(encode_cursor(place)) == place


@given(number=st.integers(0, ID_MAX))
def test_a_cursor_holds_a_number(number: int) -> None:
    assert decode_id(encode_cursor(number)) == number


@given(cursor=st.text(max_size=50))
def test_any_other_text_is_a_cursor_or_a_problem(cursor: str) -> None:
    place = None
    with suppress(ProblemError):
        place = decode_cursor(cursor)
    assert place is None or encode_cursor(place) == cursor
