/** The camera: it turns positions into pixels, with the same unit in all directions. */

export class Camera {
  constructor() {
    this.reset();
  }

  /** Look along the third axis, at the whole extent. */
  reset() {
    this.turn = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    this.zoom = 1;
    this.shift = [0, 0];
  }

  /** Turn by angles in radians around the vertical and the horizontal axis of the screen. */
  turnBy(aroundVertical, aroundHorizontal) {
    const [c, s, d, t] = [Math.cos(aroundVertical), Math.sin(aroundVertical), Math.cos(aroundHorizontal), Math.sin(aroundHorizontal)];
    this.turn = product([1, 0, 0, 0, d, -t, 0, t, d], product([c, 0, s, 0, 1, 0, -s, 0, c], this.turn));
  }

  /** Fit an extent into a canvas of `width` and `height` pixels, with at most `most` pixels for a unit before the zoom. */
  fit(extent, width, height, isFlat, most = Infinity) {
    this.centre = ends(extent).map(([low, high]) => (low + high) / 2);
    this.pixels = this.zoom * Math.min(fittingPixels(extent, width, height, isFlat), most);
    this.size = [width, height];
    // The rows of the matrix that turns and scales, for x and y in pixels from the middle, and depth.
    this.matrix = (isFlat ? [1, 0, 0, 0, 1, 0, 0, 0, 0] : this.turn).map((value) => value * this.pixels);
  }

  /** Return x, y in pixels from the canvas' upper left corner, and the depth, of a point. */
  project(point) {
    const m = this.matrix, [x, y, z] = [0, 1, 2].map((d) => (point[d] ?? 0) - this.centre[d]);
    return [
      this.size[0] / 2 + this.shift[0] + m[0] * x + m[1] * y + m[2] * z,
      this.size[1] / 2 + this.shift[1] - (m[3] * x + m[4] * y + m[5] * z),
      m[6] * x + m[7] * y + m[8] * z,
    ];
  }
}

/** Return the number of pixels for a unit with which an extent, [least, greatest] of each dimension, fits into a canvas. */
export function fittingPixels(extent, width, height, isFlat) {
  const half = ends(extent).map(([low, high]) => (high - low) / 2), radius = Math.hypot(...half);
  const needed = isFlat ? Math.max(half[0] / (width / 2 - 44), half[1] / (height / 2 - 40)) : radius / (Math.min(width, height) / 2 - 26);
  return 1 / (needed || 1);
}

function ends(extent) {
  return [0, 1, 2].map((d) => extent[d] ?? [0, 0]);
}

function product(a, b) {
  const c = new Array(9);
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) c[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
  return c;
}
