"""The few named errors. A message says what was given, what was expected, and what to do."""


class AvgzslError(Exception):
    """Anything a user can mend; the command line prints it without a traceback."""


class DataError(AvgzslError):
    """Features, class lists or word vectors on disk (or in memory) are not what they should be."""


class ConfigError(AvgzslError):
    """A hyper-parameter, option or preset is unknown or out of range."""


class UnknownNameError(ConfigError):
    """A method, layout, class split or preset of that name does not exist."""


class ModalityError(AvgzslError):
    """A method was asked for a modality, or a fusion, that it or the data cannot serve."""


class NotFittedError(AvgzslError):
    """A method was used before `fit`."""


class RunError(AvgzslError):
    """A run folder is incomplete, damaged, newer than this version, or belongs to other data."""


class MediaError(AvgzslError):
    """A media file is missing, damaged, empty, of a kind that cannot be decoded, or took too much to decode."""


class WeightsError(AvgzslError):
    """The weights of a backbone or text encoder are not there, or are not those of the network."""


class ProcessError(AvgzslError):
    """A process that does part of the work could not be started, or was stopped: no fault of what it worked at."""
