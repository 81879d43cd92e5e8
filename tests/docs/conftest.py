"""What the tests of the documentation share: the generator, every page, and the code that pages show."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Page:
    """One page of the documentation.

    Attributes:
        name: its path from the root. blocks: (language, text) of each fenced block. prose: the text without them.
    """

    name: str
    text: str
    blocks: tuple[tuple[str, str], ...]
    prose: str

    @property
    def folder(self) -> Path:
        """Where its relative links begin."""
        return (ROOT / self.name).parent

    def blocks_of(self, language: str) -> list[str]:
        """The fenced blocks in one language."""
        return [text for said, text in self.blocks if said == language]


_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(path: Path) -> Page:
    """Read a page and take its blocks apart."""
    text = path.read_text(encoding="utf-8")
    blocks = tuple((found.group(1), found.group(2)) for found in _FENCE.finditer(text))
    return Page(str(path.relative_to(ROOT)), text, blocks, _FENCE.sub("", text))


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """Every page by its path from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {page.name: page for page in map(read, sorted(found))}


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """The generator of the reference pages, as ``make docs`` runs it."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
