"""The bounds of the claims, and where they come from: the paper states tendencies without numbers, so each bound is a choice.

Tested by tests/rnc/test_claims.py.
"""

from rnc.vocabulary import TERMINAL_ACCURACY_IN_WORDS

COLLAPSED = 0.2
"""NC1 now divided by NC1 of clean data at initialisation: at most this value is collapse."""
COLLAPSED_UNDER_ATTACK = 0.5
DESTROYED = 10
"""NC1 under a condition divided by NC1 of clean data: at least this value means that collapse is destroyed."""
SIMPLEX_LOST = 1.5
ALIGNED = 0.3
"""Radians between clean and perturbed centred class means: up to this value the two simplices count as aligned."""
LEAST_ROBUST = 1 / 3
HALF_WAY = 0.5
"""Angle to the nearest vertex divided by the angle between two vertices: up to this value features have leapt there."""
AS_ROBUST = 0.9
"""Accuracy of the nearest class mean divided by the network's: from this value on they count as equally robust."""
DEEPER_COLLAPSES = -0.5
EARLY_RESISTS = 0.1
WEAKER_ON_TEST = 2
TIMES_CHANCE = 2
"""Accuracy divided by chance accuracy: from this value on the network has learnt something."""

ORIGIN = "The paper states tendencies without numbers, so this project chose the bounds, the same for all runs."
FITTED = f"{TERMINAL_ACCURACY_IN_WORDS} train accuracy stands for the zero training error after which the terminal phase begins."
_COLLAPSED = (
    f"NC1 is 0 only in the limit, so that a finite training is compared with its own start: {COLLAPSED:g} of it or less counts "
    "as collapsed."
)
_DESTROYED = (
    f"{DESTROYED}-fold NC1, an order of magnitude, counts as a destroyed collapse and less as an intact one: the same line in "
    "C2, C3 and C5."
)
_LOST = f"{SIMPLEX_LOST:g}-fold equiangularity counts as a lost simplex and less as an intact one: the same line in C2 and C4."
_ALIGNED = (
    f"{ALIGNED:g} rad are 17 degrees, which is small beside the more than 90 degrees between two vertices of a simplex."
)
_CHANCE = f"{TIMES_CHANCE} times chance leaves out networks that guess, whose accuracies all have the ratio 1."
_NOT_COLLAPSED = "The bounds of NC1 are those by which C6 calls a network collapsed, from the other side."
_ROBUST = (
    "A third of the clean accuracy under PGD counts as robust; the gallery's runs of standard training keep none of it."
)
_C9 = (_CHANCE, _ROBUST, _NOT_COLLAPSED)

REASONS: dict[str, tuple[str, ...]] = {
    "C1": (FITTED, _COLLAPSED, "For NC2 to NC4 any fall below the start counts."),
    "C2": (_DESTROYED, _LOST),
    "C3": (
        _DESTROYED,
        _COLLAPSED,
        "Up to half-way between two vertices, the vertex of the prediction is the nearer one.",
    ),
    "C4": (_COLLAPSED, _LOST, _ALIGNED),
    "C5": (_DESTROYED, _ALIGNED),
    "C6": (_COLLAPSED, f"For perturbed images, which spread more, the bound is {COLLAPSED_UNDER_ATTACK:g}."),
    "C7": (_ALIGNED,),
    "C8": (_CHANCE, f"“About the network's accuracy” is read as at least {AS_ROBUST:g} of it."),
    "C9": _C9,
    "C9 released": _C9,
    "C10": (
        f"A rank correlation of −1 would be a fall of NC1 at every stage; −{-DEEPER_COLLAPSES:g} leaves room for stages out of "
        "order.",
        f"{EARLY_RESISTS:g} are ten points of accuracy.",
    ),
    "C11": (f"“Much weaker” is read as at least {WEAKER_ON_TEST} times the NC1 of training data.",),
}
"""Why the bounds of each claim are what they are, in sentences."""
