"""Settings of all tests."""

from hypothesis import settings

settings.register_profile("dreamr", deadline=None)  # a busy machine is no failure
settings.load_profile("dreamr")
