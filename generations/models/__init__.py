"""Generations and attempts, the steps due, assets and blobs, events."""

from .assets import Asset, Blob
from .events import Event
from .generations import Attempt, Generation, GenerationInput
from .steps import Pulse, Step

__all__ = ["Asset", "Attempt", "Blob", "Event", "Generation", "GenerationInput", "Pulse", "Step"]
