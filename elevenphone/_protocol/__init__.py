"""HTTP as functions over text and bytes: no loop, no socket, no clock of its own."""
