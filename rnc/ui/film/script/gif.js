/** An encoder for animated GIFs (GIF89a, Lempel-Ziv-Welch codes), with one palette for all frames. */

const BITS = 8;

/** Return the bytes of a GIF. `frames` are RGBA pixels of `width` x `height`; each is shown for `centiseconds`. */
export function encodeGif(frames, width, height, centiseconds) {
  const palette = choosePalette(frames), bytes = [];
  const word = (value) => bytes.push(value & 255, value >> 8);
  bytes.push(...[..."GIF89a"].map((letter) => letter.charCodeAt(0)));
  word(width);
  word(height);
  bytes.push(0x80 | (BITS - 1), 0, 0);
  for (let i = 0; i < 256; i++) bytes.push(...(palette.colours[i] ?? [0, 0, 0]));
  bytes.push(0x21, 0xff, 11, ...[..."NETSCAPE2.0"].map((letter) => letter.charCodeAt(0)), 3, 1, 0, 0, 0);
  for (const frame of frames) {
    bytes.push(0x21, 0xf9, 4, 4);
    word(centiseconds);
    bytes.push(0, 0, 0x2c, 0, 0, 0, 0);
    word(width);
    word(height);
    bytes.push(0, BITS);
    for (const block of compress(indices(frame, palette))) bytes.push(block);
    bytes.push(0);
  }
  bytes.push(0x3b);
  return Uint8Array.from(bytes);
}

/** Return the 256 most frequent colours of all frames, at 5 bits a channel, and a cache of the nearest one of each colour. */
function choosePalette(frames) {
  const counts = new Uint32Array(32768);
  for (const frame of frames) for (let i = 0; i < frame.length; i += 4) counts[key(frame, i)]++;
  const used = [...counts.keys()].filter((colour) => counts[colour]).sort((a, b) => counts[b] - counts[a]).slice(0, 256);
  const colours = used.map((colour) => [colour >> 10, (colour >> 5) & 31, colour & 31].map((value) => Math.round((value * 255) / 31)));
  const nearest = new Int16Array(32768).fill(-1);
  used.forEach((colour, i) => (nearest[colour] = i));
  return { colours, nearest };
}

function key(frame, i) {
  return ((frame[i] >> 3) << 10) | ((frame[i + 1] >> 3) << 5) | (frame[i + 2] >> 3);
}

function indices(frame, { colours, nearest }) {
  const found = new Uint8Array(frame.length / 4);
  for (let i = 0, at = 0; i < frame.length; i += 4, at++) {
    const colour = key(frame, i);
    if (nearest[colour] < 0) {
      let least = Infinity;
      colours.forEach(([r, g, b], n) => {
        const distance = (r - frame[i]) ** 2 + (g - frame[i + 1]) ** 2 + (b - frame[i + 2]) ** 2;
        if (distance < least) [least, nearest[colour]] = [distance, n];
      });
    }
    found[at] = nearest[colour];
  }
  return found;
}

/** Yield the bytes of the compressed pixels, in blocks of at most 255 that begin with their length. */
function* compress(pixels) {
  const clear = 1 << BITS, end = clear + 1;
  let table = new Map(), next = end + 1, size = BITS + 1, bits = 0, held = 0, block = [];
  const full = [];
  const write = (code) => {
    bits |= code << held;
    held += size;
    while (held >= 8) {
      block.push(bits & 255);
      bits >>>= 8;
      held -= 8;
      if (block.length === 255) {
        full.push(255, ...block);
        block = [];
      }
    }
  };
  write(clear);
  let prefix = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const pair = (prefix << 8) | pixels[i], known = table.get(pair);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    write(prefix);
    if (next === 4096) {
      write(clear);
      table = new Map();
      next = end + 1;
      size = BITS + 1;
    } else {
      if (next === 1 << size) size++;
      table.set(pair, next++);
    }
    prefix = pixels[i];
    if (full.length) {
      yield* full;
      full.length = 0;
    }
  }
  write(prefix);
  write(end);
  if (held) block.push(bits & 255);
  yield* full;
  if (block.length) yield* [block.length, ...block];
}
