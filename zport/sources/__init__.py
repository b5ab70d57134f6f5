"""What recipes build: sources and patches, named by coordinates, fetched whole and checked."""
