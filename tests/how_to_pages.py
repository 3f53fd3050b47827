"""What stands in the Markdown pages: code blocks, links and commands."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {  # of each how-to page, its folder in examples/
    "adding-a-model": "model",
    "adding-a-data-set": "data-set",
    "adding-an-index": "index",
    "adding-a-backend": "backend",
    "adding-a-page": "page",
    "adding-a-chart": "chart",
    "adding-a-command": "command",
}


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def blocks(text):
    """Language and content of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def shell(name):
    """The lines of a page's shell blocks, in order."""
    return [line for language, content in blocks(page(name)) if language == "sh" for line in content.splitlines()]
