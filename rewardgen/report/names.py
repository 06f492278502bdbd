"""Names of the files that a report consists of."""

from __future__ import annotations

HTML_NAME = "report.html"
MARKDOWN_NAME = "report.md"
FIGURES_NAME = "figures"
ANALYSIS_NAME = "analysis"
"""Folder of what ``analyze`` found out, one folder for each reward in it."""
ANALYSIS_FILE = "analysis.json"
COMPARISON_HTML = "comparison.html"
COMPARISON_JSON = "comparison.json"
