"""Leaderboards: a pure function from records to tables, pictures, one Markdown and one HTML file."""
