"""domainkit methods: the table, and one method's options."""

from __future__ import annotations

from tests.cli.command import domainkit


def test_every_method_has_a_line_with_its_rate() -> None:
    from domainkit.adapters.methods import METHODS

    done = domainkit("methods")
    assert all(name in done.stdout for name in METHODS)
    assert "arXiv" in done.stdout


def test_one_method_shows_its_options_and_a_typo_the_near_one() -> None:
    assert "method.rank (16): " in domainkit("methods", "lora").stdout
    done = domainkit("methods", "lorra")
    assert done.returncode == 2
    assert "did you mean 'lora'?" in done.stderr
