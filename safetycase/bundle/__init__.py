"""The container: layout, reader (trusts nothing), writer (all or nothing), arrays."""
