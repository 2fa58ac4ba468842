"""The forms of files: where ids are read from, and what results are written as."""
