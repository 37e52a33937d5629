"""The parts of the projections page: the choice of maps, the source of their points, and the user's selection on them."""
