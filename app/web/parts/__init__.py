"""The parts of the page as HTML: pure functions that escape every word they did not write themselves."""
