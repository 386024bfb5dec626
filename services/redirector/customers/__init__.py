"""What the redirector has to know of customers: the key that their ids are hashed under, and nothing else."""
