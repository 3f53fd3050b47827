"""Tables and charts to pages: the site, and the Markdown page of each results folder."""
