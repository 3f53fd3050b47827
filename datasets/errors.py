"""What ends a command with a sentence instead of a traceback."""


class InputError(Exception):
    """A bad file, option, record or environment: the command line prints it and exits with 2.

    The message is one sentence that names the value, says what was expected and what to do.
    """


class TooFewError(InputError):
    """The data are too few for one of the things asked for, which others can be done with: that cell is skipped.

    The message is that of an `InputError`: what is too few, how many there are, and how many it takes.
    """


class NotHereError(InputError):
    """Data are not on this machine, and may not be downloaded.

    The message is that of an `InputError`: what is missing, where to put it, and from where it would be downloaded.
    """


class MachineError(Exception):
    """The machine failed and no input is to blame: a full disk, no memory, no permission; exit code 4.

    The message is one sentence that names what was tried, what the system answered and what to do. An `OSError` that
    nobody turned into one of the two is told by the command line, with the same exit code.
    """
