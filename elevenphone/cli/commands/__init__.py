"""The commands as they are declared: names, options and help. What they do is imported when they run."""
