"""The glossary: each technical word of the pages in one or two plain sentences, the source of all help on these words."""

from functools import cache

import streamlit as st

from rnc.ui.markdown import Markdown, escape_markdown
from rnc.vocabulary import TERMINAL_ACCURACY_IN_WORDS

GLOSSARY: dict[str, str] = {
    "neural collapse": "At the end of training, the features of each class gather at one point, and the points of all classes "
    "lie as far from each other as possible. NC1 to NC4 measure how close a network is to it.",
    "feature": "The vector that a network computes from an image before its last linear layer; the penultimate features.",
    "class mean": "The mean feature of a class. It is centred if the mean of all features is subtracted.",
    "simplex": "The arrangement of C points at equal distances from each other and from their centre, such as a triangle or "
    "a tetrahedron. Collapsed class means form one; its corners are the vertices, and the cosine between two of "
    "them is −1/(C−1).",
    "vertex": "A corner of the simplex: the place at which the features of one class gather.",
    "NC": "Neural collapse.",
    "NC1": "Spread of features within their classes, relative to the spread between classes. 0 at collapse.",
    "NC2": "Distance of the class means from a simplex. 0 at collapse. Equinorm: how much their norms differ. "
    "Equiangularity: how far the cosines between them are from −1/(C−1).",
    "NC3": "Distance between the rows of the last linear layer and the class means, both scaled to norm 1. 0 at "
    "collapse.",
    "NC4": "Share of samples for which the network and the nearest class mean decide differently. 0 at collapse.",
    "NC5": "Mean cosine between the class means and the mean feature of another data set. 0 if they are orthogonal.",
    "CDNV": "Class-distance normalised variance: spread within two classes relative to the distance of their means. 0 at "
    "collapse.",
    "GNC2": "Hyperspherical uniformity: how evenly the directions of the class means are spread. 0 at collapse.",
    "UNC3": "Uniform duality: how much the angle between a row of the last layer and its class mean differs between "
    "classes.",
    "equinorm": "The part of NC2 that compares the norms of the class means.",
    "equiangularity": "The part of NC2 that compares the angles between the class means.",
    "self-duality": "Agreement of the last linear layer with the class means; NC3 measures its absence.",
    "nearest centre": "A rule that assigns a feature to the class with the nearest class mean, instead of the last linear layer. "
    "NCC accuracy is its accuracy.",
    "NCC": "Nearest class centre, see nearest centre.",
    "W": "The matrix of the last linear layer; each class has a row.",
    "Gram matrix": "The matrix of the cosines between all pairs of class means.",
    "ST": "Standard training: the network is trained on clean images.",
    "AT": "Adversarial training: the network is trained on images that an attack has perturbed (Madry et al. 2018).",
    "AT-EVAL-ATTACK": "Adversarial training whose attack sees BatchNorm in eval mode.",
    "TRADES": "Adversarial training with a loss that balances accuracy on clean images against equal predictions on clean "
    "and perturbed images (Zhang et al. 2019).",
    "TRADES-RELEASED": "TRADES as in the released code of the paper: BatchNorm in eval mode throughout.",
    "OWN": "An external network, measured by train.measure. Its training is unknown, so the claims are not tested on it.",
    "objective": "The way in which a network was trained: ST, AT, TRADES and their variants.",
    "attack": "A search for a small change of an image that makes the network err.",
    "PGD": "Projected gradient descent: an attack of several steps along the gradient of the loss, each kept within "
    "epsilon.",
    "FGSM": "Fast gradient sign method: an attack of one step.",
    "APGD": "Auto-PGD: PGD that chooses its own step sizes (Croce and Hein 2020).",
    "MI-FGSM": "PGD with momentum (Dong et al. 2018).",
    "KL": "Kullback-Leibler divergence: how much two predictions differ.",
    "DLR": "Difference of logits ratio: an objective of attacks that does not depend on the scale of the logits.",
    "epsilon": "The largest allowed change of an image (ε): of each pixel under ℓ∞, of the Euclidean norm under ℓ2. Pixels "
    "are between 0 and 1.",
    "norm": "The measure of an image's change: ℓ∞ is the largest change of a pixel, ℓ2 the Euclidean length of all "
    "changes.",
    "condition": "How images are changed before the network sees them: clean, perturbed by an attack, or noisy.",
    "role": "A condition's part in a run, such as perturbed. Runs with different attacks are compared by role.",
    "clean": "Images without a change.",
    "perturbed": "Images under the run's main attack, which pushes them away from their true class.",
    "targeted": "Images under an attack towards a chosen class: the next one, (y + 1) mod C.",
    "relabelled": "Perturbed images with the network's predictions as labels.",
    "Gaussian noise": "Images with Gaussian noise of the attack's size.",
    "sign noise": "Images with random changes of plus or minus epsilon in each pixel.",
    "as trained": "The perturbed images on which the network was trained in that epoch.",
    "extra": "A further condition without a role of its own, such as a weaker attack.",
    "split": "The part of the data set: train, on which the network was trained, or test, which it has not seen.",
    "train": "The split on which the network was trained. Collapse is about these images.",
    "test": "The split that the network has not seen.",
    "leap": "The move of a feature to the vertex of another class under attack.",
    "TPT": f"Terminal phase of training: the epochs after training accuracy has reached {TERMINAL_ACCURACY_IN_WORDS}.",
    "terminal phase": "The epochs after training accuracy has reached "
    f"{TERMINAL_ACCURACY_IN_WORDS}, in which collapse occurs.",
    "epoch": "One pass of training over all training images. Epoch 0 is the network before training.",
    "run": "One training of one network, with all its measurements.",
    "seed": "The number that fixes the random choices of a run. Runs that differ only in their seed are repetitions.",
    "gallery": "Published runs that come with the project.",
    "claim": "A statement of the paper, tested on a run by numbers with fixed bounds.",
    "BatchNorm": "A layer that normalises features by the mean and variance of a batch (train mode) or by stored ones (eval "
    "mode).",
    "PCA": "Principal component analysis: the projection that keeps most of the features' spread.",
    "UMAP": "A non-linear projection that keeps neighbours together; distances between groups mean little.",
    "logit": "The network's score for a class before softmax.",
    "margin": "Logit of the true class minus the largest other one; negative if the network errs.",
    "gradient masking": "A network that seems robust only because attacks find no useful gradient.",
}
"""Each word with its explanation, in the order in which the words build on each other."""


@cache
def explain(*words: str) -> Markdown:
    """Return the explanations of words of the glossary, as help of a control or a heading. Raises KeyError for other words."""
    return "\n\n".join(f"**{escape_markdown(word)}**: {escape_markdown(GLOSSARY[word])}" for word in words)


def draw_glossary() -> None:
    """Draw the control that opens the glossary."""
    with st.popover("Glossary", icon=":material/menu_book:"):
        st.markdown(explain(*GLOSSARY))
