"""How deep JSON may nest: counted without decoding it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import DecodeError
from elevenphone._json import refuse_deep_nesting

TEXTS: list[object] = ["[[[[", "}]]]", '"[', "\\", '\\"[', "a]\\"]
WIDE: object = json.loads('[{"[": []}, [], {}]')
LEAVES: st.SearchStrategy[object] = st.sampled_from([1, None, WIDE, *TEXTS])


@given(st.integers(60, 140), st.data())
def test_more_than_a_hundred_levels_are_refused(levels: int, data: st.DataObject) -> None:
    noise = data.draw(st.lists(LEAVES, min_size=20, max_size=20))
    document: object = "the innermost"
    for level in range(levels):
        # The fields beside it are not as deep.
        beside = noise[level % 20] if level > 4 else 1
        document = [noise[0], document, beside] if level % 3 and level > 4 else {'"[': document, "}": beside}
    for body in (json.dumps(document).encode(), json.dumps(document, indent=1).encode()):
        if levels > 100:
            with pytest.raises(DecodeError, match="not the JSON of a page: nested more than 100 levels deep"):
                refuse_deep_nesting(body, "a page")
        else:
            refuse_deep_nesting(body, "a page")
