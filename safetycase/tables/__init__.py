"""Evidence tables: their row schemas, reading and writing, and look-up by planned cell."""
