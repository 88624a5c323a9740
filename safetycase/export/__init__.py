"""Foreign formats, one file each: what others' programs read of a verdict."""
