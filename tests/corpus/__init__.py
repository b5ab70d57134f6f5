"""What the audit is measured on: real defects, and findings that were judged by hand."""
