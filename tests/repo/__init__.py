"""The repository itself: its documents, generated code, pins and packages tell the truth."""
