"""Questions about citizens: their numbers, what may be shown of them, and where an answer comes from."""
