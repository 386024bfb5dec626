"""The feed of changes: what has become of counts since somebody last asked."""
