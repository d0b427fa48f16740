"""Every fault that is listed has a test that measures it, and `docs/faults.md` has a row for each, and no other."""

from harness.faults import FAULTS, HEAD, PAGE, lines, marked


def test_every_fault_has_a_test_and_every_test_of_one_a_fault():
    assert {name for name, _ in marked()} == set(FAULTS)


def test_the_page_has_a_row_for_every_fault_and_nothing_else():
    rows = lines()
    assert list(rows) == list(FAULTS)
    assert PAGE.read_text() == "\n".join([HEAD, *rows.values(), ""])


def test_every_row_names_the_tests_that_measure_it_now():
    for name, row in lines().items():
        files = ", ".join(sorted({f"`{file}`" for known, file in marked() if known == name}))
        assert row.endswith(f"| {files} |")
