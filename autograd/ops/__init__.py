"""The definitions of every primitive, a family a file; nothing else."""
