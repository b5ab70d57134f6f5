"""Reports: what a run found, as a table for people and a results file for programs."""
