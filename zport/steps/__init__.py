"""Steps of a plan: what each is made of, rendered for an engine and built."""
