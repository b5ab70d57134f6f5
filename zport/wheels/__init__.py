"""Built wheels: checked, with what they bundle in their bill of materials, and indexed for pip."""
