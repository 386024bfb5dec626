"""What the redirector signs, and with which keys: those in Postgres, kept on its own disk too."""
