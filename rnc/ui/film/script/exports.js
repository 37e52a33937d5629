/** Export of a film: as GIF, as WebM or MP4, as a PNG of the moment, and as one HTML file that needs no network. */

import { encodeGif } from "./gif.js";

/** Offer bytes or text to the user as a file. */
export function download(content, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Return a canvas with the films' pictures side by side, `width` pixels wide. */
export function composeFrame(player, width) {
  player.drawNow();  // a picture of WebGL lasts until the browser shows it
  const panes = player.panes, sizes = panes.map((pane) => [pane.points.width, pane.points.height]);
  const total = sizes.reduce((sum, [w]) => sum + w, 0), scale = width / total, title = 22;
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Math.round(width / 2);
  canvas.height = 2 * Math.round((Math.max(...sizes.map(([, h]) => h)) * scale + title) / 2);
  const context = canvas.getContext("2d");
  context.fillStyle = player.theme.background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  let left = 0;
  panes.forEach((pane, i) => {
    const [w, h] = sizes[i].map((value) => value * scale);
    for (const layer of [pane.points, pane.over]) context.drawImage(layer, left, title, w, h);
    context.fillStyle = player.theme.text;
    context.font = `13px ${player.theme.font}`;
    context.textBaseline = "middle";
    context.fillText(`${pane.film.label} · ${player.describeMoment(pane.film)}`, left + 8, title / 2 + 2, w - 12);
    left += w;
  });
  return canvas;
}

/** Return the bytes of a GIF of the whole film. */
export async function gifOfFilm(player, { width, seconds, onProgress }) {
  const rate = 12, count = Math.max(Math.round(seconds * rate), 2), frames = [];
  let size = null;
  for (let i = 0; i < count; i++) {
    player.showPart(i / (count - 1));
    const canvas = composeFrame(player, width);
    size = [canvas.width, canvas.height];
    frames.push(canvas.getContext("2d").getImageData(0, 0, ...size).data);
    onProgress(i / count);
    await new Promise((resolve) => setTimeout(resolve));
  }
  return encodeGif(frames, ...size, Math.round(100 / rate));
}

/** Return the type of video that this browser records, MP4 if it can; null if none. */
export function videoType() {
  const types = ["video/mp4;codecs=avc1.42E01E", "video/mp4", "video/webm;codecs=vp9", "video/webm"];
  return types.find((type) => window.MediaRecorder?.isTypeSupported(type)) ?? null;
}

/** Return a video of the whole film as a Blob; recording takes as long as the film. */
export async function videoOfFilm(player, { width, seconds, onProgress }) {
  const type = videoType(), rate = 30;
  player.showPart(0);
  const shown = composeFrame(player, width), stream = shown.captureStream(rate), parts = [];
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 6_000_000 });
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  const began = performance.now();
  for (let part = 0; part < 1; ) {
    part = Math.min((performance.now() - began) / (1000 * seconds), 1);
    player.showPart(part);
    shown.getContext("2d").drawImage(composeFrame(player, width), 0, 0);
    onProgress(part);
    await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
  }
  recorder.stop();
  await stopped;
  return new Blob(parts, { type });
}

/** Return one HTML file with the films, their views, the player and its style. */
export async function htmlOfFilm(player, { script, style, title }) {
  const films = player.panes.map(({ film, files }) => ({
    label: film.label,
    states: base64(files.states),
    views: Object.fromEntries([...files.views].map(([name, file]) => [name, base64(file)])),
  }));
  const content = JSON.stringify({ films, settings: player.settings, classColours: player.classColours }).replaceAll("<", "\\u003c");
  const text = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${text}</title>
<style>
:root { color-scheme: light dark; --st-text-color: light-dark(#31333f, #fafafa); --st-background-color: light-dark(#ffffff, #0e1117);
  --st-secondary-background-color: light-dark(#f0f2f6, #262730); --st-primary-color: #0072b2; --st-border-color: #8886; --st-font: sans-serif; }
body { margin: 16px; background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); }
${style}</style></head><body><h1 style="font-size: 1.1rem">${text}</h1><div class="film"></div>
<script type="application/json" id="content">${content}</script>
<script type="module">
${script.replaceAll("</script", "<\\/script")}
mountStoredFilm(document.querySelector(".film"), JSON.parse(document.getElementById("content").textContent));
</script></body></html>`;
}

function base64(buffer) {
  const bytes = new Uint8Array(buffer), parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(parts.join(""));
}

/** Return the bytes of a text in base 64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
