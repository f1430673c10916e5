"""How the variants of a plan are paid, and whether a budget can be kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from domainkit.comparison.inputs import Inputs
from domainkit.errors import ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.verdict.costs.payment import Payment, payment_of, toml_key

log = logging.getLogger("domainkit")


def payments_of(inputs: Inputs, variants: Sequence[Variant]) -> list[tuple[Variant, Payment]]:
    """The variants that are paid by tokens."""
    found = []
    for variant in variants:
        model = inputs.models.get(variant.model or "")
        name = variant.model or paid_as(variant)
        hosted = not model.model.is_local if model is not None else bool(paid_as(variant))
        found.append((variant, payment_of(inputs.prices, variant.name, name, hosted=hosted)))
    return [(v, payment) for v, payment in found if payment.paid_by == "tokens"]


def paid_as(variant: Variant) -> str:
    """The hosted model whose tokens a Runnable of the user's own pays for, where it has the attribute of that name."""
    return str(getattr(variant.runnable, "paid_as", "") or "")


def check_budget(inputs: Inputs, variants: Sequence[Variant]) -> None:
    """Raises ConfigError for a budget that cannot be kept, since the price of a model is not known. Names what it does
    not count."""
    if inputs.config.budget is None:
        return
    paid = payments_of(inputs, variants)
    for variant, payment in paid:
        if payment.reason:
            what = f"variant '{variant.name}' would be asked within a budget, but {payment.reason}"
            raise ConfigError(what, where="budget", next_step="give the price, or leave the budget out")
    if not paid:
        log.warning("budget is not used: no variant is paid by tokens")
    names = {v.name for v, _ in paid}
    if own := [v.name for v in variants if v.runnable is not None and v.name not in names]:
        entry = f'[variants.{toml_key(own[0])}] paid_by = "tokens"'
        log.warning("the budget does not count %s: --prices takes %s", ", ".join(own), entry)
    if inputs.config.judge:
        log.warning("the budget counts the variants' answers, and not the judge's replies")
