"""The one exception that the commands turn into a sentence."""


class RunnerError(Exception):
    """Say, in one sentence for whoever typed the command, what is wrong and what to do."""
