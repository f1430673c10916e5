from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from domainkit.evaluation.metrics.label import label_accuracy, label_parser, macro_f1, parse_failure
from domainkit.evaluation.task import Sample, Task

LABELS = ("card_arrival", "card_lost", "top_up", "top_up_failed", "C", "C++")
TASK = Task(name="t", kind="label", samples=(), labels=LABELS, fingerprint="")


def sample(target: str) -> Sample:
    return Sample(id="1", input="q", target=target, references=(target,))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("card_arrival", "card_arrival"),
        ('  "Card arrival".', "card_arrival"),
        ("Card-Arrival\nbecause the card is not lost", "card_arrival"),
        ("The intent is card_arrival.", "card_arrival"),
        ("label: top up failed", "top_up_failed"),
        ("top_up or card_lost", None),
        ("top_up, top_up", "top_up"),
        ("C++", "C++"),
        ("C", "C"),
        ("c", "C"),
        ("It is about c++, I think.", "C++"),
        ("laptop_upper", None),
        ("", None),
        ("???", None),
    ],
)
def test_the_label_an_answer_names(text: str, label: str | None) -> None:
    assert label_parser(LABELS)(text) == label


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (("退款", "换货", "物流"), "这条消息应该归为退款类。", "退款"),
        (("退款", "全额退款"), "应该归为全额退款。", "全额退款"),
        (("退款", "换货"), "不是退款，是换货。", None),
        (("refund", "exchange"), "这是refund类", "refund"),
        (("返金", "交換"), "答えは「返金」です。", "返金"),
        (("การเงิน", "จัดส่ง"), "ข้อความนี้เกี่ยวกับการจัดส่งสินค้า", "จัดส่ง"),
        (("ขาว", "แดง"), "เป็นข่าวแดง", "แดง"),  # ข่าว is another word than ขาว
        (("환불", "교환"), "이 메시지는 “환불” 입니다.", "환불"),
        (("환불", "교환"), "이 메시지는 환불입니다", "환불"),
        (("वापसी", "बदली"), "यह वापसी है।", "वापसी"),
        (("استرجاع", "شحن"), "التصنيف: شحن؟", "شحن"),
        (("👍", "👎"), "I say 👎!", "👎"),
        (("A+", "A", "A-"), "The grade: A+.", "A+"),
        (("A", "B"), "A- the first option", "A"),
        (("A", "A-"), "It is A- overall", "A-"),
        (("A", "B"), "-B", "B"),
        (("1", "2", "5"), "Rating: 5/5 stars", "5"),
        (("1", "2", "5"), "**2**, not 25 or 1.5", "2"),
        (("< 5", "> 5"), "The value is >5.", "> 5"),
    ],
)
def test_labels_are_read_from_sentences_of_all_scripts(labels: tuple[str, ...], text: str, label: str | None) -> None:
    assert label_parser(labels)(text) == label


def test_accuracy_and_parse_failure_are_apart() -> None:
    accuracy, failure = label_accuracy(TASK), parse_failure(TASK)
    for text, right, unread in (("top_up", 1, 0), ("card_lost", 0, 0), ("no idea", 0, 1)):
        assert accuracy(sample("top_up"), text).value == right
        assert failure(sample("top_up"), text).value == unread


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, "no idea"])), min_size=1, max_size=30))
def test_macro_f1_is_sklearns(rows: list[tuple[str, str]]) -> None:
    metric = macro_f1(TASK)
    sums = np.sum([metric.counts(sample(t), text) for t, text in rows], axis=0)
    targets, named = [t for t, _ in rows], [text for _, text in rows]
    labels = sorted({*targets, *named} - {"no idea"})
    expected = f1_score(targets, named, labels=labels, average="macro", zero_division=0)
    assert float(metric.value(sums)) == pytest.approx(expected)
