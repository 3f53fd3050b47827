"""Pictures of tables, and how figures and names are written in them and beside them."""
