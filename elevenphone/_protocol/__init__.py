"""HTTP as functions over text and bytes, without event loop, socket or clock."""
