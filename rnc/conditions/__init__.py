"""Conditions (the perturbation of images before measurement), their names (`slug`), and the notation of perturbation sizes."""

from rnc.conditions.condition import CLEAN, Condition
from rnc.conditions.labels import without_gradient_message
from rnc.conditions.pixel_range import check_epsilon, check_of_pixels, check_size, check_step_size, largest_epsilon
from rnc.conditions.pixels import default_step_size, format_pixels, parse_pixels
from rnc.conditions.presets import UsualAttack, presets, usual_attack

__all__ = [
    "CLEAN",
    "Condition",
    "UsualAttack",
    "check_epsilon",
    "check_of_pixels",
    "check_size",
    "check_step_size",
    "default_step_size",
    "format_pixels",
    "largest_epsilon",
    "parse_pixels",
    "presets",
    "usual_attack",
    "without_gradient_message",
]
