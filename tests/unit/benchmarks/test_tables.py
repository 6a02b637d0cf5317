from benchmarks.parts.tables import table


def test_a_table_is_markdown_with_its_figures_to_the_right() -> None:
    assert table(["", "seconds"], [["Liftwatch", "1.5"], ["other", "12.25"]]) == (
        "|           | seconds |\n|-----------|--------:|\n| Liftwatch |     1.5 |\n| other     |   12.25 |"
    )
