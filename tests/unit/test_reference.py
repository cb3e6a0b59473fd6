"""The reference pages say what the code says, and leave nothing out."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs import reference
from docs.policy_reference import policy_page
from docs.reasons import MEANINGS, REFUSED_AT

from keepstone.core.decision import ReasonCode
from keepstone.detect.registry import EVERY

DOCS = Path(reference.__file__).parent
PAGES = [*DOCS.parent.glob("*.md"), *DOCS.rglob("*.md")]
MEASURED = "benchmarks.md"  # written by `make bench`, which does not run everywhere


def test_pages_are_up_to_date() -> None:
    assert reference.differences() == []


def test_check_names_the_page_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "differences", lambda: ["--- docs/reference/cli.md", "+++ generated"])
    result = CliRunner().invoke(reference.main, ["--check"])
    assert result.exit_code == 1
    assert "docs/reference/cli.md" in result.output
    assert "make docs" in result.output


def test_a_changed_page_is_noticed(tmp_path: Path) -> None:
    for name in reference.PAGES:
        text = (reference.FOLDER / name).read_text("utf-8")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("`model_unknown`", "`model_unheard_of`"), "utf-8")
    found = "\n".join(reference.differences(tmp_path))
    assert "model_unheard_of" in found
    assert "docs/reference/reasons.md" in found
    assert "docs/reference/cli.md" not in found


def test_a_decision_out_of_line_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    (tmp_path / "adr").mkdir()
    first = tmp_path / "adr/0001-one.md"
    first.write_text("# 1. One\n\nStatus: accepted, 2026-11-21\n")
    assert "| 1 | [One](0001-one.md) | accepted, 2026-11-21 |" in reference.decisions_page()
    for name, text in (("0003-gap.md", "# 3. Gap\n\nStatus: x\n"), ("0002-two.md", "# 2. Two\n")):
        other = tmp_path / "adr" / name
        other.write_text(text)
        with pytest.raises(ValueError, match=name):
            reference.decisions_page()
        other.unlink()


def test_every_reason_is_explained_once() -> None:
    staged = [code for _, codes in REFUSED_AT for code in codes]
    assert sorted(staged) == sorted(ReasonCode)
    assert MEANINGS.keys() == set(ReasonCode)


def test_every_field_of_the_policy_says_what_it_is() -> None:
    rows = [each for each in policy_page().splitlines() if each.startswith("| `")]
    assert len(rows) > 250
    silent = [each for each in rows if not all(cell.strip() for cell in re.split(r"(?<!\\)\|", each)[1:-1])]
    assert silent == []


def test_no_pattern_stands_on_the_page_of_the_policy() -> None:
    assert [each for each in policy_page().splitlines() if "^" in each or "[a-z" in each] == []


def test_every_part_of_the_policy_is_linked_to_and_stands_there() -> None:
    page = policy_page()
    titles = {
        each.strip("# ").lower().replace(" ", "-") for each in page.splitlines() if each.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= titles


def test_every_detector_stands_on_its_page() -> None:
    page = reference.detectors_page()
    assert [each for each in EVERY if f"| `{each}` |" not in page] == []


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    links = reference.local_links(path.read_text("utf-8"))
    missing = [link for link in links if not link.endswith(MEASURED) and not (path.parent / link).exists()]
    assert missing == []


_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_ANCHORED = re.compile(r"\]\(([^)\s#:]*)#([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings have, as GitHub makes them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        numbers = (f"{slug}-{number}" for number in range(1, len(found) + 2))
        found.add(slug if slug not in found else next(each for each in numbers if each not in found))
    return found


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda path: path.name)
def test_links_lead_to_a_heading_that_there_is(path: Path) -> None:
    text = path.read_text("utf-8")
    missing = []
    for page, anchor in _ANCHORED.findall(_FENCE.sub("", text)):
        target = path.parent / page if page else path
        if target.suffix == ".md" and target.exists() and anchor not in anchors(target.read_text("utf-8")):
            missing.append(f"{page}#{anchor}")
    assert missing == []
