"""The parts of the projections page: which maps are drawn, where their points come from, and what people picked on them."""
