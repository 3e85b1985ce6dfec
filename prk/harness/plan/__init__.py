"""From what is asked for to the launches that answer it."""
