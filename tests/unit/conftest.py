"""What every unit test starts from."""

from hypothesis import settings

# A slow example is not a wrong one: tests share their machine, and pytest-timeout bounds what hangs.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
