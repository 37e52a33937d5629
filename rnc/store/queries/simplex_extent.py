"""SQL for the extent of sampled features in the simplex planes of a run's epochs.

The coordinates follow from inner products with the means a, b and c of the three classes. With o = (a + b + c) / 3,
`side` = |b - a| and `along` = (c - a)·(b - a) / side, they are x = (v - o)·(b - a) / side and
y = ((v - o)·(c - a) - along x) / height, where `height` is the distance of c from the line through a and b.

Tested by tests/rnc/store/test_sample_queries.py.
"""

from rnc.conditions import CLEAN
from rnc.vocabulary import FEATURES_LAYER

_LEAST_HEIGHT = 1e-6
"""Least height of a plane's triangle relative to the lengths of the means, far above the rounding errors of inner products."""


def _mean(place: int) -> str:
    return f"CAST(any_value(vector) FILTER (WHERE class = $labels[{place}]) AS DOUBLE[])"


def _products(vector: str) -> str:
    """Return the inner products of a vector with the means; NULL for a vector that has another width or lacks a number."""
    fits = f"len({vector}) = len(a) AND list_count({vector}) = len(a)"
    return ", ".join(
        f"CASE WHEN {fits} THEN list_dot_product({vector}, {mean}) END AS with_{mean}" for mean in ("a", "b", "c")
    )


SIMPLEX_EXTENT = f"""WITH means AS MATERIALIZED (
                   SELECT epoch, {_mean(1)} AS a, {_mean(2)} AS b, {_mean(3)} AS c FROM class_mean
                   WHERE run_id = $run AND split = $split AND condition = '{CLEAN.slug}' AND layer = '{FEATURES_LAYER}'
                     AND list_contains($labels, class)
                   GROUP BY epoch
               ), vertices AS MATERIALIZED (
                   SELECT epoch, class, {_products("vector")} FROM (
                       SELECT epoch, a, b, c, unnest([1, 2, 3]) AS class, unnest([a, b, c]) AS vector FROM means
                   )
               ), products AS (
                   SELECT epoch, avg(with_a) AS oa, avg(with_b) AS ob, avg(with_c) AS oc,
                          sum(with_a) FILTER (WHERE class = 1) AS aa, sum(with_a) FILTER (WHERE class = 2) AS ab,
                          sum(with_a) FILTER (WHERE class = 3) AS ac, sum(with_b) FILTER (WHERE class = 2) AS bb,
                          sum(with_b) FILTER (WHERE class = 3) AS bc, sum(with_c) FILTER (WHERE class = 3) AS cc
                   FROM vertices GROUP BY epoch
               ), sides AS (
                   SELECT *, nullif(sqrt(greatest(aa - 2 * ab + bb, 0)), 0) AS side, (bc - ac - ab + aa) / side AS along
                   FROM products
               ), planes AS MATERIALIZED (
                   SELECT *, sqrt(greatest(aa - 2 * ac + cc - along * along, 0)) AS height FROM sides
                   WHERE height > {_LEAST_HEIGHT} * sqrt(aa + bb + cc)
               ), vectors AS (
                   SELECT epoch, true AS is_vertex, with_a, with_b, with_c FROM vertices
                   UNION ALL
                   SELECT epoch, false, {_products("vector")} FROM (
                       SELECT f.epoch, CAST(f.vector AS DOUBLE[]) AS vector, a, b, c
                       FROM feature f JOIN means USING (epoch)
                       WHERE f.run_id = $run AND f.split = $split AND list_contains($labels, f.label)
                   )
               ), points AS (
                   SELECT is_vertex, (with_b - with_a - ob + oa) / side AS x,
                          (with_c - with_a - oc + oa - along * x) / height AS y
                   FROM vectors JOIN planes USING (epoch)
               )
               SELECT is_vertex, unnest([min(x), max(x)]) AS x, unnest([min(y), max(y)]) AS y
               FROM points WHERE isfinite(x) AND isfinite(y) GROUP BY is_vertex ORDER BY ALL"""
"""The query `SampleQueries.simplex_extent_of_all_epochs`, whose arguments are `$run`, `$split` and the three `$labels`."""
