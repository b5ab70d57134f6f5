"""The plan: every image and wheel that a request needs, each with its key."""
