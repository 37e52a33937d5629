"""Conditions (the perturbation of images before measurement), their names (`slug`), and the notation of perturbation sizes."""

from rnc.conditions.condition import CLEAN, Condition
from rnc.conditions.default_attacks import UsualAttack, presets, usual_attack
from rnc.conditions.naming import KIND_NAMES, NORM_SIGNS, no_gradient_message
from rnc.conditions.pixels import (
    check_epsilon,
    check_pixel_statistic,
    default_step_size,
    format_pixels,
    largest_epsilon,
    parse_pixels,
)
from rnc.conditions.words import condition_in_words, conditions_in_words

__all__ = [
    "CLEAN",
    "KIND_NAMES",
    "NORM_SIGNS",
    "Condition",
    "UsualAttack",
    "check_epsilon",
    "check_pixel_statistic",
    "condition_in_words",
    "conditions_in_words",
    "default_step_size",
    "format_pixels",
    "largest_epsilon",
    "no_gradient_message",
    "parse_pixels",
    "presets",
    "usual_attack",
]
