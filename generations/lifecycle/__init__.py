"""Every change of a generation's status and an attempt's state happens in this room; each by a compare-and-set on the
old one, with its event and its money in the same transaction. Doors and workers call these verbs and nothing else.

creating  create, retry                              (a person or a program)
people    cancel, pause, resume, remove              (a person or a program)
settling  settle                                     (a person's verdict on an unknown outcome)
trying    begin, accept, deliver, lose, end   (workers, fenced by the step's lease)
ending    succeed, fail                              (the terminal states, and the wallet)
"""

from .creating import create, retry
from .ending import fail, succeed
from .moves import record as note
from .people import cancel, pause, remove, resume
from .settling import callback, recover, settle
from .trying import accept, begin, cancelled, deliver, end, expire, lose, postpone, wait

__all__ = [
    "accept",
    "begin",
    "callback",
    "cancel",
    "cancelled",
    "create",
    "deliver",
    "end",
    "expire",
    "fail",
    "lose",
    "note",
    "pause",
    "postpone",
    "recover",
    "remove",
    "resume",
    "retry",
    "settle",
    "succeed",
    "wait",
]
