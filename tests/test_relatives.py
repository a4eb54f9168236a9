"""What is asked about a relative is not told by the one whose relative it is."""

import pytest

from dialogue.judges.relatives import of_no_relative

PAGE = (
    "Elspeth Marchbanks was born in Kirrin in 1871. She never married. Her brother Duncan Marchbanks was born in 1875. "
    "Duncan died in 1929. Her successor was Ilse Varga. Varga left in 1950."
)


@pytest.mark.parametrize(
    ("question", "said", "around", "other"),
    [
        ("When was Elspeth Marchbanks's brother born?", "Elspeth Marchbanks was born in Kirrin in 1871.", "", True),
        ("When was Elspeth Marchbanks's brother born?", "Her brother Duncan Marchbanks was born in 1875.", "", False),
        ("When did her brother die?", "Duncan died in 1929.", "", False),
        ("When did her brother die?", "He died in 1929.", "Her brother Duncan was born in 1875.", False),
        ("When did the successor of Elspeth Marchbanks leave?", "Varga left in 1950.", "", False),
        ("When did the successor of Elspeth Marchbanks leave?", "Elspeth Marchbanks left in 1930.", "", True),
        ("Who was her brother?", "Duncan was a surveyor.", "", False),
        ("When was Elspeth Marchbanks born?", "Elspeth Marchbanks was born in Kirrin in 1871.", "", False),
        ("How much does a child pay?", "Entry is 3 euros.", "", False),  # nobody's child
    ],
)
def test_a_unit_about_somebody_else_is_told(question: str, said: str, around: str, other: bool) -> None:
    assert of_no_relative(question, said, around, PAGE) is other
