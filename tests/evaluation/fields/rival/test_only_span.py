"""domainkit.evaluation.fields.rival.only_span"""

import json

from domainkit.evaluation.classical import Vectors
from domainkit.evaluation.fields.rival.candidates import Tokens
from domainkit.evaluation.fields.rival.only_span import groups_of, only_value, spans_of
from domainkit.evaluation.fields.rival.rules import fit_rules

TEXT = "Write to ann@bee.org before 3 May 2026, I paid 12.50 € for AB-123."


def test_a_span_inside_a_longer_one_is_not_another() -> None:
    found = {group: [s.text for s in spans_of(Tokens(TEXT), group)] for group in ("address", "date", "code")}
    assert found == {"address": ["ann@bee.org"], "date": ["3 May 2026"], "code": ["AB-123"]}
    assert only_value(Tokens(TEXT), "number", number=True) == 12.5
    assert only_value(Tokens("nothing here"), "number", number=True) is None


def test_the_group_holds_the_values_of_half_of_the_rows() -> None:
    texts = [Tokens(t) for t in ("mail a@b.org", "mail c@d.org", "no address")]
    assert groups_of(texts, [["a@b.org"], ["c@d.org"], []]) == ["address"]
    assert groups_of(texts[:1], [["a@b.org"]]) == [], "one row says nothing"


def test_four_rows_are_enough_for_an_address_and_a_number() -> None:
    texts = [f"invite {name}@bee.org with {n} guests" for name, n in zip("abcd", (3, 5, 8, 9), strict=True)]
    rows = [{"email": t.split()[1], "guests": int(t.split()[3])} for t in texts]
    predict = fit_rules(texts, [json.dumps(r) for r in rows], Vectors())
    assert json.loads(predict(["please, zed@hive.net and 12 others"])[0]) == {"email": "zed@hive.net", "guests": 12}
    assert json.loads(predict(["nobody"])[0]) in ({}, {"email": None, "guests": None})
