"""One lookup: attempts within slots, until there is an answer, a final error, or no time."""
