"""The page and its picture hold every contender, and can be read without those that did not take part."""

import xml.etree.ElementTree as Tree

import pytest
from bench.chart import Point, chart
from bench.contenders import CONTENDERS
from bench.report import page, picture
from bench.table import alone_table, busy_table, markdown, tables

from tests.unit.bench.runs import results

SVG = "{http://www.w3.org/2000/svg}"


def circles(drawing: str) -> list[float]:
    return [float(each.attrib["cx"]) for each in Tree.fromstring(drawing).iter(f"{SVG}circle")]


def test_every_contender_stands_on_the_page_and_in_the_picture() -> None:
    text, drawing = page(results(), None, "benchmarks.svg"), picture(results())
    for contender in CONTENDERS:
        assert f"| {contender.title} " in text
        assert f">{contender.title}<" in drawing
    assert "](benchmarks.svg)" in text
    assert " not measured in this run | could not tell |" in text


@pytest.mark.parametrize("absent", [each.name for each in CONTENDERS])
def test_a_page_can_do_without_anyone(absent) -> None:
    found = results(without=(absent,), streams={})
    assert "could not tell" in page(found, None, "x.svg")
    assert len(circles(picture(found))) == len(CONTENDERS) - 1


@pytest.mark.parametrize(("others", "told"), [(0.09, False), (0.11, True)])
def test_a_run_on_a_busy_machine_says_so(others, told) -> None:
    assert ("That is too much" in page(results(others=others), None, "x.svg")) is told


def test_points_stand_in_order_of_cost() -> None:
    places = circles(picture(results()))
    assert places == sorted(places)


def test_a_decade_is_as_wide_as_the_next() -> None:
    points = [Point(str(each), each, False) for each in (10, 100, 1000)]
    first, second, third = circles(chart(points, 64))
    assert third - second == pytest.approx(second - first)


def test_names_are_escaped() -> None:
    assert "<b>" not in chart([Point("<b>", 10, True)], 64)


def test_ratios_are_told_beside_the_reference() -> None:
    row = next(line for line in busy_table(results()).splitlines() if "Ferro" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:5] == ["420", "3.00", "1,000", "1.00"]


def test_without_the_reference_nothing_is_compared() -> None:
    row = next(line for line in busy_table(results(without=("strict",))).splitlines() if "Ferro" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")][2] == "-"


def test_added_time_is_beside_no_gateway() -> None:
    row = next(line for line in alone_table(results()).splitlines() if "bare proxy" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")][3] == "0.30"


def test_the_terminal_gets_all_tables() -> None:
    shown = tables(results())
    assert [shown.count(head) for head in ("callers at once", "One caller", "Streams")] == [1, 1, 1]
    assert "Streams" not in tables(results(streams={}))


def test_columns_are_aligned() -> None:
    lines = markdown([("a", "measured"), ("long name", "1")]).splitlines()
    assert lines == ["| a         | measured |", "|-----------|---------:|", "| long name |        1 |"]
