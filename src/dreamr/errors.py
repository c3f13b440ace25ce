"""How work ends that cannot go on, for whoever has to know: a user, or the command around it."""


class UserError(Exception):
    """What its message tells a user how to mend, and what no further try would mend."""


class Interrupted(BaseException):
    """Work that was cut off from outside. It goes on from what is kept, and the message says what that is."""
