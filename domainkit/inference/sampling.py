"""Sampling: the next token of one answer, by that answer's own random numbers, alone or in company."""

from __future__ import annotations

import secrets

import torch


def generator(seed: int | None) -> torch.Generator:
    """An answer's own random numbers; None draws a fresh seed."""
    return torch.Generator("cpu").manual_seed(secrets.randbits(63) if seed is None else seed)


def draw(logits: torch.Tensor, temperature: float, top_p: float, source: torch.Generator) -> int:
    """An index drawn from softmax(logits / temperature), from its most probable `top_p` mass; temperature 0 is the argmax.

    `logits` is float [n]. The draw inverts the cumulative distribution, so one uniform number decides: rounding moves the
    result only when that number lies at a border.
    """
    if temperature <= 0:
        return int(logits.argmax())
    p = torch.softmax(logits.detach().to("cpu", torch.float64) / temperature, -1)
    if top_p >= 1:
        return _invert(p, source)
    ordered, places = _head(p, top_p)
    return int(places[_invert(ordered, source)])


def _head(p: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The fewest most probable entries that together reach `top_p` (arXiv 1904.09751), and their places."""
    for k in (256, p.numel()):  # sorting a whole vocabulary is rarely needed
        ordered, places = torch.topk(p, min(k, p.numel()))
        reached = int((ordered.cumsum(0) < top_p).sum()) + 1
        if reached < ordered.numel() or ordered.numel() == p.numel():
            break
    return ordered[:reached], places[:reached]


def _invert(p: torch.Tensor, source: torch.Generator) -> int:
    borders = p.cumsum(0)
    number = torch.rand((), generator=source, dtype=torch.float64) * borders[-1]
    place = int(torch.searchsorted(borders, number, right=True))
    while place >= p.numel() or p[place] == 0:  # the number hit the upper border
        place -= 1
    return place
