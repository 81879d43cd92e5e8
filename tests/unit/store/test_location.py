"""Names and where they may lead."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import BadName
from loraloop.store.location import RESERVED, checked_name, inside

HOSTILE = st.text(st.sampled_from("ab./\\-_~A9한\x00 \n"), max_size=8) | st.text(max_size=5)


@given(HOSTILE | st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True))
def test_a_name_is_lower_case_letters_digits_and_dashes_or_refused(name: str) -> None:
    """Whatever passes is itself, of the allowed characters alone, and no folder of the artifact store."""
    allowed = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) is not None and name not in RESERVED
    try:
        assert checked_name(name) == name
        assert allowed
    except BadName:
        assert not allowed


@given(HOSTILE)
def test_a_path_made_of_any_name_stays_in_its_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Either the name is refused, or the path lies directly in the folder, under that very name."""
    root = tmp_path_factory.getbasetemp()
    try:
        found = inside(root, name)
    except BadName:
        return
    assert os.path.normpath(found) == f"{root}/{name}"
    assert "/" not in name


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "/etc/passwd", "a/b", "a/../..", "a\x00b", "a/"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Parents, absolute paths, paths of several parts and NUL bytes lead nowhere."""
    with pytest.raises(BadName):
        inside(tmp_path, name)


def test_a_last_link_is_not_followed_but_a_linked_folder_is(tmp_path: Path) -> None:
    """The path of a link is the link itself; a root that is reached by a link is still the root."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real" / "out").symlink_to("/etc")
    assert inside(tmp_path / "root", "out") == tmp_path / "root" / "out"


@pytest.mark.parametrize(("kind", "words"), [("adapter", "an adapter"), ("bot", "a bot"), ("suite", "a suite")])
def test_the_error_says_what_was_to_be_named(kind: str, words: str) -> None:
    """The message names the kind of thing, and the hint the rule."""
    with pytest.raises(BadName, match=words) as caught:
        checked_name("No!", kind)
    assert "lower-case" in caught.value.hint


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_only_an_adapter_may_not_bear_the_name_of_a_folder_beside_it(name: str) -> None:
    """A bot may be called ``objects``; an adapter not, for it would be one."""
    assert checked_name(name, "bot") == name
    with pytest.raises(BadName, match="adapter"):
        checked_name(name)


@pytest.mark.parametrize("name", [None, 3, b"a", ["a"]])
def test_what_is_no_text_is_no_name(name: object) -> None:
    """Another type is refused like a bad name, not with another kind of error."""
    with pytest.raises(BadName):
        checked_name(name)  # type: ignore[arg-type]
