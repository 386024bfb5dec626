"""Where every partition stands, and how a person moves one."""
