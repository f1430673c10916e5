"""Results as Markdown."""

from domainkit.report.markdown.page import to_markdown

__all__ = ["to_markdown"]
