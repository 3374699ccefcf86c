"""The admin of generations, their attempts, steps and events, and of the files kept."""

from . import attempts, files, jobs, queue

__all__ = ["attempts", "files", "jobs", "queue"]
