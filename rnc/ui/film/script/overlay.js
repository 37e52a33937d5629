/** The drawing over the samples: class means with their edges and names, rows of the classifier, trails, and the scale bar. */

import { shortened } from "./track.js";

const TRAIL_PARTS = 24;

/** Draw over a film's samples at a moment, onto the context of a canvas that lies above them. */
export function drawOverlay(context, film, moment, camera, options) {
  context.clearRect(0, 0, camera.size[0], camera.size[1]);
  const { means, rows, ideal } = film.classesAt(moment.epoch, moment.share, moment.isLogarithmic);
  const shown = means.map((point) => point.every((value) => !Number.isNaN(value)));
  if (options.showsMeans) {
    if (ideal.length) {
      drawEdges(context, ideal.map((point) => camera.project(point)), options.grey, [4, 4]);
      drawEdges(context, means.filter((_, c) => shown[c]).map((point) => camera.project(point)), options.text, []);
    }
    drawRows(context, film, rows, means, shown, camera, options);
  }
  for (const index of options.trailOf) drawTrail(context, film, moment, index, camera, options);
  if (options.showsMeans) drawMeans(context, film, means, shown, camera, options);
  drawScaleBar(context, camera, film.view.unit, options);
  if (options.lasso) drawEdgesOfLasso(context, options.lasso, options.text);
}

function drawEdges(context, corners, colour, dash) {
  context.strokeStyle = colour;
  context.lineWidth = 1.2;
  context.setLineDash(dash);
  context.beginPath();
  for (let a = 0; a < corners.length; a++) {
    for (let b = a + 1; b < corners.length; b++) {
      context.moveTo(corners[a][0], corners[a][1]);
      context.lineTo(corners[b][0], corners[b][1]);
    }
  }
  context.stroke();
  context.setLineDash([]);
}

function drawRows(context, film, rows, means, shown, camera, options) {
  if (!options.showsRows) return;
  const count = shown.filter(Boolean).length;
  const middle = [0, 1, 2].map((d) => means.reduce((sum, point, c) => (shown[c] ? sum + (point[d] ?? 0) : sum), 0) / count);
  const [x0, y0] = camera.project(middle);
  rows.forEach((row, c) => {
    if (!shown[c] || row.some(Number.isNaN)) return;
    const [x, y] = camera.project(middle.map((value, d) => value + (row[d] ?? 0)));
    context.strokeStyle = context.fillStyle = options.classColours[c];
    context.lineWidth = 1.6;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x, y);
    context.stroke();
    const angle = Math.atan2(y - y0, x - x0);
    context.beginPath();
    context.moveTo(x, y);
    for (const side of [-1, 1]) context.lineTo(x - 9 * Math.cos(angle + 0.4 * side), y - 9 * Math.sin(angle + 0.4 * side));
    context.fill();
  });
}

function drawMeans(context, film, means, shown, camera, options) {
  context.font = `12px ${options.font}`;
  context.textBaseline = "middle";
  const middle = camera.project(camera.centre);
  const taken = [];
  means.forEach((point, c) => {
    if (!shown[c] || options.isHiddenClass(c)) return;
    const [x, y] = camera.project(point);
    context.fillStyle = options.classColours[c];
    context.strokeStyle = options.background;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y - 7);
    context.lineTo(x + 7, y);
    context.lineTo(x, y + 7);
    context.lineTo(x - 7, y);
    context.closePath();
    context.fill();
    context.stroke();
    const name = shortened(film.states.classes[c]), isLeft = x < middle[0], width = context.measureText(name).width;
    const left = Math.min(Math.max(isLeft ? x - 11 - width : x + 11, 2), camera.size[0] - width - 2);
    const box = [left - 2, y - 8, left + width + 2, y + 8];
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return;
    taken.push(box);
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeText(name, left, y);
    context.fillStyle = options.text;
    context.fillText(name, left, y);
  });
}

/** Draw the way of a sample up to the moment: over epochs, and then along the attack. */
function drawTrail(context, film, moment, index, camera, options) {
  const point = new Float32Array(3), first = film.epochs[0];
  const passed = moment.hand === "attack" ? film.sharesAt(moment.epoch, moment.isLogarithmic) : film.epochs;
  const end = moment.hand === "attack" ? moment.share : moment.epoch, begin = moment.hand === "attack" ? 0 : first;
  const scale = moment.isLogarithmic && moment.hand !== "attack" ? [(value) => Math.log(value + 1), (value) => Math.exp(value) - 1] : [Number, Number];
  const places = passed.filter((value) => value < end);
  for (let i = 0; i <= TRAIL_PARTS; i++) places.push(scale[1](scale[0](begin) + ((scale[0](end) - scale[0](begin)) * i) / TRAIL_PARTS));
  const moments = places.sort((a, b) => a - b).map((at) => (moment.hand === "attack" ? [moment.epoch, at] : [at, moment.share]));
  context.strokeStyle = options.text;
  context.globalAlpha = 0.6;
  context.lineWidth = 1;
  context.beginPath();
  moments.forEach(([epoch, share], i) => {
    film.pointAt(index, epoch, share, moment.isLogarithmic, point);
    const [x, y] = camera.project(point);
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  });
  context.stroke();
  context.globalAlpha = 1;
}

function drawScaleBar(context, camera, unit, options) {
  const most = 90 / camera.pixels, power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((digit) => digit * power).find((value) => value <= most) ?? power;
  const width = length * camera.pixels, [left, bottom] = [14, camera.size[1] - 14];
  context.strokeStyle = context.fillStyle = options.text;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [x, y] of [[left, bottom - 4], [left, bottom], [left + width, bottom], [left + width, bottom - 4]]) context.lineTo(x, y);
  context.stroke();
  context.font = `12px ${options.font}`;
  context.textBaseline = "bottom";
  const units = Number((length * unit).toPrecision(1));
  context.fillText(units === 1 ? "1 unit" : `${units} units`, left + 4, bottom - 4);
}

function drawEdgesOfLasso(context, lasso, colour) {
  context.strokeStyle = colour;
  context.setLineDash([3, 3]);
  context.lineWidth = 1.2;
  context.beginPath();
  for (const [x, y] of lasso) context.lineTo(x, y);
  context.closePath();
  context.stroke();
  context.setLineDash([]);
}

/** Return whether a point lies inside a polygon: a ray from it crosses the edges an odd number of times. */
export function isInside(x, y, polygon) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
