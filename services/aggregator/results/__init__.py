"""What came of clicks, beside them in the counts: conversions, by two views, and activities (docs/adr/0022)."""
