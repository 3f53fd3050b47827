"""The one error that a user can cause and mend."""


class InputError(Exception):
    """A bad file, option, record or environment: the command line prints it and exits with 2.

    The message is one sentence that names the value, says what was expected and what to do.
    """
