"""Requirements: pinned, each with where it comes from on a target, and in which order."""
