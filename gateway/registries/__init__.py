"""Questions to the specialised registries: one use case, and one declaration for each registry (`kinds`)."""
