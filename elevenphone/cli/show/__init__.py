"""What people see: cards, tables, progress and summaries."""
