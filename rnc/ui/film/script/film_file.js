/** Reading of a film's files; rnc/film/film_files.py describes their format. */

const FLOAT16 = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) FLOAT16[bits] = fraction ? NaN : sign * Infinity;
  else FLOAT16[bits] = sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

const READERS = {
  float16: (buffer, at, count) => Float32Array.from(new Uint16Array(buffer, at, count), (bits) => FLOAT16[bits]),
  float32: (buffer, at, count) => new Float32Array(buffer, at, count),
  int16: (buffer, at, count) => new Int16Array(buffer, at, count),
  int32: (buffer, at, count) => new Int32Array(buffer, at, count),
};

/** Return the header of a file with its arrays, each as a typed array with a `shape`. Throws an Error for another file. */
export function readFilmFile(buffer) {
  const bytes = new Uint8Array(buffer);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "RNCF") throw new Error("This is not a file of a film.");
  const length = new DataView(buffer).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const arrays = {};
  for (const [name, { type, shape, offset }] of Object.entries(header.arrays)) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = READERS[type](buffer, 8 + length + offset, count);
    arrays[name].shape = shape;
  }
  return { ...header, arrays };
}
