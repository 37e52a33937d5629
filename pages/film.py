"""The film page: the sampled features of one or two runs, moved over the epochs and along the attack."""

import streamlit as st

from rnc.ui.film.film_player import draw_player
from rnc.ui.film.one_or_two_films import choose_films_and_scope
from rnc.ui.projections.shared_sample_selection import picked_samples, select, write_address_if_few_samples
from rnc.ui.selection import current_selection

selection = current_selection()
st.title("Collapse film")
films, scope = choose_films_and_scope(selection)
write_address_if_few_samples(scope)
draw_player(films, selection.epoch, picked_samples(scope), lambda samples: select(scope, samples), key="film_player")
st.caption(
    "Each dot is the feature vector of an image, and each diamond a class mean. The bar in a picture's corner is its scale, in "
    "units of the features; **Same scale** gives both pictures that of the one with the longer distances. Two axes of PCA cannot "
    "show that all classes are equally far from each other: the plane of three means shows it for three. "
    "Features are stored at the epochs that the scale marks; between them, dots move on straight lines. Drag to move or "
    "turn a picture, press Shift and drag to select samples, turn the wheel with Ctrl to zoom, and double-click to reset "
    "the view. The space bar plays; the arrow keys go from one stored epoch or attack step to the next. A click on a class "
    "below the pictures shows this class alone."
)
st.page_link(
    "pages/projections.py",
    label="Show this epoch as a map, with the images of selected samples and figures for a paper",
    icon=":material/scatter_plot:",
    query_params=st.query_params.to_dict(),
)
