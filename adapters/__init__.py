"""The part that does: one technology per file, no policy."""
