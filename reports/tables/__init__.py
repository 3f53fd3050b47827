"""What is known from the records; nothing here says how it is shown."""
