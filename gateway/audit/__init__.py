"""Evidence: what a record holds, how it is proved, and how it is counted."""
