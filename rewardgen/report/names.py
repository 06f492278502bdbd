"""Names of the files that a report consists of."""

from __future__ import annotations

HTML_NAME = "report.html"
MARKDOWN_NAME = "report.md"
FIGURES_NAME = "figures"
COMPARISON_HTML = "comparison.html"
COMPARISON_JSON = "comparison.json"
