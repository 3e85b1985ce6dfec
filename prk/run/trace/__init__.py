"""Timelines of all members: messages matched, waits named, as Chrome's trace or as a page. Pure."""
