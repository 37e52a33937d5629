/** Colours of samples: those of classes, or a scale for numbers. */

const VIRIDIS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"].map(channels);

export const COLOURINGS = {
  class: "True class",
  predicted: "Predicted class",
  margin: "Margin (logit)",
  loss: "Loss (nats)",
  confidence: "Confidence",
  first_leap: "Epoch of the first leap",
};

/** Return red, green and blue (0 to 255) of a colour `#rrggbb`. */
export function channels(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** Return the colour of a share between 0 and 1. */
export function onScale(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1), low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return VIRIDIS[low].map((value, i) => Math.round(value + (at - low) * (VIRIDIS[low + 1][i] - value)));
}

/** Return the range of a value over all states of all films, without the outer two percent at each end. */
export function rangeOf(films, name) {
  const values = [];
  for (const film of films) {
    const all = film.states.arrays[name], stride = Math.max(Math.floor(all.length / 20000), 1);
    for (let i = 0; i < all.length; i += stride) if (Number.isFinite(all[i]) && (name !== "first_leap" || all[i] >= 0)) values.push(all[i]);
  }
  values.sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  return values.length ? [at(0.02), at(0.98)] : null;
}

/** Write red, green, blue and alpha of every sample into `out`; `isFaint(i)` tells which are drawn faintly. */
export function colourSamples(film, moment, { colouring, range, classColours, isFaint, grey }, out) {
  const { epoch, share, isLogarithmic } = moment, { labels, first_leap } = film.states.arrays;
  let classOf = null, values = null;
  if (colouring === "class") classOf = labels;
  else if (colouring === "predicted") classOf = film.predictedAt(epoch, share, isLogarithmic);
  else if (colouring === "first_leap") values = first_leap;
  else values = film.valuesAt(colouring, epoch, share, isLogarithmic, (film.values ??= new Float32Array(film.count)));
  const width = range ? range[1] - range[0] || 1 : 1;
  for (let i = 0; i < film.count; i++) {
    let colour = grey;
    if (classOf) colour = classColours[classOf[i]] ?? grey;
    else if (Number.isFinite(values[i]) && !(colouring === "first_leap" && values[i] < 0)) colour = onScale((values[i] - (range?.[0] ?? 0)) / width);
    out[4 * i] = colour[0];
    out[4 * i + 1] = colour[1];
    out[4 * i + 2] = colour[2];
    out[4 * i + 3] = isFaint(i) ? 40 : 225;
  }
  return out;
}
