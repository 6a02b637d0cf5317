from pathlib import Path

from benchmarks.risk_escalators import FLEETS, made, write_section


def test_the_figures_take_the_place_of_those_before_and_of_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "quality.md"
    document.write_text(
        "before\n<!-- bench-risk: figures -->\nold\n<!-- bench-risk: end -->\nafter\n", encoding="utf-8"
    )
    for words in ("first", "second"):
        write_section(document, [words])
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!--")
    assert text.endswith("<!-- bench-risk: end -->\nafter\n")
    assert "second" in text
    assert "first" not in text
    assert "old" not in text


def test_fleets_of_chance_have_the_rates_that_they_are_called_by() -> None:
    for fleet in FLEETS:
        _, found = made(fleet, 1)
        a_year = len(found) / fleet.lifts / fleet.days * 365.25
        assert 0.6 * fleet.a_year < a_year < 1.5 * fleet.a_year
    assert made(FLEETS[0], 1) == made(FLEETS[0], 1)
